import { queryOptions } from "@tanstack/react-query";
import { api, data, queryClient } from "~/api/client";
import { searchOf, text } from "~/lib/search";
import { channelDirectory, keyDirectory, userDirectory } from "~/parts/directory";
import { asParameters, filtersOf, type LogSearch, logFilters, logQuery, OPERATIONS } from "~/parts/logSearch";
import { tenantDirectory } from "~/parts/tenantDirectory";
import { knownMe, may } from "~/session/session";

/** Rows that are there at once, before the first one comes. */
const BEFORE = 200;
const HOUR = 3_600_000;

export const liveSearch = searchOf({ ...logFilters, row: text });

/** What is followed, as the API takes it. */
export function followed(search: LogSearch): string {
  const filters = filtersOf(search);
  return asParameters(logQuery({ ...filters, states: filters.states ?? [...OPERATIONS] })).toString();
}

/** What was last: asked for once, and never taken for news later. */
export const lastRows = (asked: string) =>
  queryOptions({
    queryKey: ["get", "/api/reports/requests", "last", asked],
    queryFn: async () => {
      const from = new Date(Date.now() - HOUR).toISOString();
      const query = { ...Object.fromEntries(new URLSearchParams(asked)), from, limit: BEFORE };
      return (await data(api.GET("/api/reports/requests", { params: { query: query as never } }))).items;
    },
    staleTime: 5000,
    gcTime: 5000,
    retry: false,
  });

/** Ask before the page is drawn, so that both take their time at once. */
export function ask(search: Record<string, unknown>): void {
  const me = knownMe();
  if (!me || !may(me, "report:read")) return;
  void queryClient.prefetchQuery(lastRows(followed(liveSearch(search))));
  void queryClient.prefetchQuery(tenantDirectory);
  if (may(me, "channel:read")) void queryClient.prefetchQuery(channelDirectory);
  if (may(me, "token:read")) void queryClient.prefetchQuery(keyDirectory);
  if (may(me, "user:read")) void queryClient.prefetchQuery(userDirectory);
}
