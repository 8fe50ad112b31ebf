import { infiniteQueryOptions, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { api } from "./client";
import { type ApiProblem, asProblem } from "./problem";
import type { paths } from "./schema";

type Answer<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { "application/json": infer R } } } };
}
  ? R
  : never;

/** The paths that give lists by parts. */
export type ListPath = {
  [P in keyof paths]: Answer<P> extends { items: unknown[]; next?: string | null } ? P : never;
}[keyof paths];

export type RowOf<P extends ListPath> = Answer<P> extends { items: (infer R)[] } ? R : never;

type Parameters<P extends ListPath> = paths[P] extends { get: { parameters: infer A } } ? A : never;
export type ListQuery<P extends ListPath> = Parameters<P> extends { query?: infer Q } ? NonNullable<Q> : never;
type PathParameters<P extends ListPath> = Parameters<P> extends { path: infer Q } ? { path: Q } : { path?: undefined };

/** A list as the table shows it: all parts loaded so far. */
export type Listing<Row> = {
  rows: Row[];
  loading: boolean;
  fetching: boolean;
  problem: ApiProblem | null;
  hasMore: boolean;
  more: () => void;
  reload: () => void;
  /** When the rows were read. */
  readAt: number;
  /** How far back a list that is still empty has been looked through. */
  lookedTo?: string | undefined;
};

type Wanted<P extends ListPath> = { query?: Omit<ListQuery<P>, "after"> } & PathParameters<P>;

/** A list by parts, as it is asked for. */
export function listingQuery<P extends ListPath>(path: P, wanted: Wanted<P>) {
  const params = { path: wanted.path, query: wanted.query };
  return infiniteQueryOptions({
    queryKey: ["get", path, params, "parts"],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }): Promise<Part<RowOf<P>>> => {
      const get = api.GET as (path: string, init: unknown) => Promise<{ data: Part<RowOf<P>> }>;
      const answer = await get(path, { params: { ...params, query: { ...params.query, after: pageParam } }, signal });
      return answer.data;
    },
    getNextPageParam: (last) => last.next ?? undefined,
  });
}

/**
 * Read a list by parts: `useListing("/api/tenants", { query: { search, sort } })`. Filters that are `undefined` are not
 * sent. The key begins with method and path, so `queryClient.invalidateQueries({ queryKey: ["get", "/api/tenants"] })`
 * reads it again.
 */
export function useListing<P extends ListPath>(
  path: P,
  options: { enabled?: boolean; refetchInterval?: number } & Wanted<P>,
): Listing<RowOf<P>> {
  const result = useInfiniteQuery({
    ...listingQuery(path, options),
    enabled: options.enabled,
    refetchInterval: options.refetchInterval,
    // Whoever comes back to a long list is not to wait for all of its parts again.
    refetchOnWindowFocus: (query) => (query.state.data?.pages.length ?? 0) <= 3,
  });
  const pages = result.data?.pages;
  const { hasNextPage, isFetching, fetchNextPage } = result;
  const goesOn = hasNextPage && !isFetching && !result.error && isShort(pages, options.query as { limit?: number });
  useEffect(() => {
    if (goesOn) void fetchNextPage();
  }, [goesOn, fetchNextPage]);
  const rows = useMemo(() => pages?.flatMap((page) => page.items) ?? [], [pages]);
  return {
    rows,
    loading:
      options.enabled !== false && (result.isPending || (rows.length === 0 && (goesOn || (hasNextPage && isFetching)))),
    fetching: isFetching,
    problem: result.error ? asProblem(result.error) : null,
    hasMore: hasNextPage,
    more: () => void fetchNextPage(),
    reload: () => void result.refetch(),
    readAt: result.dataUpdatedAt,
    lookedTo: rows.length === 0 ? pages?.at(-1)?.searched_to : undefined,
  };
}

type Part<Row> = { items: Row[]; next?: string | null; searched_to?: string };

const PART_ROWS = 50;
/** Looks in a row that go on by themselves; then somebody has to want it. */
export const LOOKS_MAX = 40;

/**
 * Whether a look has ended before it found as many rows as were asked for: among millions, the log looks for what is rare
 * for a bounded time at once.
 */
export function isShort(parts: Part<unknown>[] | undefined, asked: { limit?: number } | undefined): boolean {
  let rows = 0;
  let looks = 0;
  for (const part of [...(parts ?? [])].reverse()) {
    if (part.searched_to === undefined || part.items.length >= (asked?.limit ?? PART_ROWS)) break;
    rows += part.items.length;
    looks++;
  }
  return looks > 0 && looks < LOOKS_MAX && rows < (asked?.limit ?? PART_ROWS);
}

/** A list that the API gives whole, or that was made here, as the table wants it. */
export function wholeListing<Row>(
  rows: Row[] | undefined,
  state: {
    isPending?: boolean;
    isFetching?: boolean;
    error?: unknown;
    refetch?: () => unknown;
    dataUpdatedAt?: number;
  } = {},
): Listing<Row> {
  return {
    rows: rows ?? [],
    loading: Boolean(state.isPending),
    fetching: Boolean(state.isFetching),
    problem: state.error ? asProblem(state.error) : null,
    hasMore: false,
    more: () => undefined,
    reload: () => void state.refetch?.(),
    readAt: state.dataUpdatedAt ?? Date.now(),
  };
}
