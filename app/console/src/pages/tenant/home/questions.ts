import { queryClient } from "~/api/client";
import { listingQuery } from "~/api/listing";
import { type Bar, type BarSearch, barOf, type RangeName, thisMinute } from "~/lib/span";
import { balanceQuery, creditQuery } from "~/parts/balance";
import { usageQuery } from "~/parts/usage";
import { knownMe, may } from "~/session/session";
import { tenantQuery } from "~/shell/tenants";

export const RANGE: RangeName = "7d";
const DAY = 86_400_000;

/** What the page asks: over the range of the bar, and over the last month. */
export function questions(tenantId: number, bar: Omit<Bar, "change">, minute = thisMinute()) {
  const month = { from: new Date(minute - 30 * DAY).toISOString(), to: new Date(minute).toISOString() };
  const asked = { tenant_id: tenantId, from: bar.from, to: bar.to, bucket: bar.bucket, zone: bar.zone };
  return {
    usage: { ...asked, by: "model_billed", top: 6 },
    daily: { tenant_id: tenantId, ...month, bucket: "day" as const, zone: bar.zone },
    credit: { ...month, zone: bar.zone, bucket: "day" as const },
    recent: { query: { tenant_id: tenantId, limit: 8 } },
  };
}

/** Ask before the page is drawn, so that both take their time at once. */
export function ask(tenantId: number, search: BarSearch): void {
  const me = knownMe();
  if (!me) return;
  const { usage, daily, credit, recent } = questions(tenantId, barOf(search, RANGE));
  void queryClient.prefetchQuery(balanceQuery(tenantId));
  void queryClient.prefetchQuery(usageQuery(usage));
  void queryClient.prefetchQuery(usageQuery(daily));
  void queryClient.prefetchInfiniteQuery(listingQuery("/api/reports/requests", recent));
  if (may(me, "report:read", tenantId)) void queryClient.prefetchQuery(creditQuery(tenantId, credit));
  void queryClient.prefetchQuery(tenantQuery(tenantId));
}
