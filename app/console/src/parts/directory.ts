import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, data, type Schema } from "~/api/client";
import { useMay } from "~/session/session";

/** Parts of a list that are read for names; what is beyond them is told by its id. */
const PARTS_MAX = 4;

type Part<Row> = { items: Row[]; next?: string | null };

async function whole<Row>(read: (after: string | undefined) => Promise<Part<Row>>): Promise<Row[]> {
  const found: Row[] = [];
  let after: string | undefined;
  for (let part = 0; part < PARTS_MAX; part++) {
    const list = await read(after);
    found.push(...list.items);
    if (!list.next) break;
    after = list.next;
  }
  return found;
}

function useDirectory<Row extends { id: string }>(
  path: string,
  permission: string,
  read: (after: string | undefined) => Promise<Part<Row>>,
  named: (row: Row) => string,
) {
  const may = useMay();
  const { data: rows } = useQuery({
    queryKey: ["get", path, "directory"],
    queryFn: () => whole(read),
    enabled: may(permission),
    staleTime: 60_000,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: how a row is named is the same each time.
  const names = useMemo(() => new Map((rows ?? []).map((each) => [each.id, named(each)])), [rows]);
  return { rows: rows ?? [], nameOf: (id: string | null | undefined) => (id && names.get(id)) || id || "" };
}

const listed = { limit: 500, include_archived: true } as const;

/** The operator's channels, those taken away too, for names beside figures. */
export const useChannelDirectory = () =>
  useDirectory<Schema["ChannelView"]>(
    "/api/channels",
    "channel:read",
    (after) => data(api.GET("/api/channels", { params: { query: { ...listed, after } } })),
    (channel) => channel.name,
  );

/** The keys of all tenants. */
export const useKeyDirectory = () =>
  useDirectory<Schema["TokenView"]>(
    "/api/tokens",
    "token:read",
    (after) => data(api.GET("/api/tokens", { params: { query: { ...listed, after } } })),
    (key) => key.name,
  );

/** Everybody who can log in. */
export const useUserDirectory = () =>
  useDirectory<Schema["UserView"]>(
    "/api/users",
    "user:read",
    (after) => data(api.GET("/api/users", { params: { query: { ...listed, after } } })),
    (user) => user.name || user.login,
  );
