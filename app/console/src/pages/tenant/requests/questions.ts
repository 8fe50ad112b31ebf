import { queryClient } from "~/api/client";
import { listingQuery } from "~/api/listing";
import { flag, oneOf, type SearchOf, searchOf, text, whole } from "~/lib/search";
import { type Bar, type BarSearch, barOf, barSearch, DEFAULT_RANGE } from "~/lib/span";
import { latencyQuery } from "~/parts/latency";
import { knownMe } from "~/session/session";

const filters = {
  states: oneOf("captured", "voided", "expired", "refused", "attempt_failed", "adjusted"),
  request_id: text,
  model_asked: text,
  token_id: text,
  user_id: text,
  tag: text,
  code: text,
  stream: flag,
  latency_min: whole,
  charged_min: text,
};

export const requestsSearch = searchOf({ ...filters, row: text });

/** The rows that the filters let through. */
export function asked(tenantId: number, bar: Omit<Bar, "change">, search: SearchOf<typeof filters>) {
  const chosen = Object.fromEntries(
    Object.keys(filters).map((key) => [key, search[key as keyof typeof filters]]),
  ) as SearchOf<typeof filters>;
  return { tenant_id: tenantId, from: bar.from, to: bar.live ? undefined : bar.to, ...chosen };
}

/** Ask before the page is drawn, so that both take their time at once. */
export function ask(tenantId: number, search: Record<string, unknown>): void {
  if (!knownMe()) return;
  const bar = barOf(barSearch(search) as BarSearch, DEFAULT_RANGE);
  const rows = asked(tenantId, bar, requestsSearch(search));
  void queryClient.prefetchInfiniteQuery(listingQuery("/api/reports/requests", { query: rows }));
  void queryClient.prefetchQuery(latencyQuery({ tenantId, model: rows.model_asked, bar }));
}
