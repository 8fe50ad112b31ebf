import { infiniteQueryOptions, useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
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
  });
  const pages = result.data?.pages;
  const rows = useMemo(() => pages?.flatMap((page) => page.items) ?? [], [pages]);
  return {
    rows,
    loading: result.isPending && options.enabled !== false,
    fetching: result.isFetching,
    problem: result.error ? asProblem(result.error) : null,
    hasMore: result.hasNextPage,
    more: () => void result.fetchNextPage(),
    reload: () => void result.refetch(),
    readAt: result.dataUpdatedAt,
  };
}

type Part<Row> = { items: Row[]; next?: string | null };

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
