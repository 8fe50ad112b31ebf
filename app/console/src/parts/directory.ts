import { queryOptions, useQuery } from "@tanstack/react-query";
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

const directory = <Row>(path: string, read: (after: string | undefined) => Promise<Part<Row>>) =>
  queryOptions({ queryKey: ["get", path, "directory"], queryFn: () => whole(read), staleTime: 60_000 });

function useDirectory<Row extends { id: string }>(
  asked: ReturnType<typeof directory<Row>>,
  permission: string,
  named: (row: Row) => string,
) {
  const may = useMay();
  const { data: rows } = useQuery({ ...asked, enabled: may(permission) });
  // biome-ignore lint/correctness/useExhaustiveDependencies: how a row is named is the same each time.
  const names = useMemo(() => new Map((rows ?? []).map((each) => [each.id, named(each)])), [rows]);
  return { rows: rows ?? [], nameOf: (id: string | null | undefined) => (id && names.get(id)) || id || "" };
}

const listed = { limit: 500, include_archived: true } as const;

export const channelDirectory = directory<Schema["ChannelView"]>("/api/channels", (after) =>
  data(api.GET("/api/channels", { params: { query: { ...listed, after } } })),
);

export const keyDirectory = directory<Schema["TokenView"]>("/api/tokens", (after) =>
  data(api.GET("/api/tokens", { params: { query: { ...listed, after } } })),
);

export const userDirectory = directory<Schema["UserView"]>("/api/users", (after) =>
  data(api.GET("/api/users", { params: { query: { ...listed, after } } })),
);

/** The operator's channels, those taken away too, for names beside figures. */
export const useChannelDirectory = () => useDirectory(channelDirectory, "channel:read", (channel) => channel.name);

/** The keys of all tenants. */
export const useKeyDirectory = () => useDirectory(keyDirectory, "token:read", (key) => key.name);

/** Everybody who can log in. */
export const useUserDirectory = () => useDirectory(userDirectory, "user:read", (user) => user.name || user.login);
