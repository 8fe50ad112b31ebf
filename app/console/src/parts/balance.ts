import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { api, data, queryClient, type Schema } from "~/api/client";
import type { Point } from "~/kit/Chart";
import { addAmounts, compareAmounts, isZero, plotted, subtractAmounts } from "~/lib/format";
import type { Bar } from "~/lib/range";

export type Balance = Schema["BalanceView"];

export const balanceQuery = (tenantId: number) =>
  queryOptions({
    queryKey: ["get", "/api/tenants/{tenant_id}/balance", tenantId],
    queryFn: () => data(api.GET("/api/tenants/{tenant_id}/balance", { params: { path: { tenant_id: tenantId } } })),
  });

/** The wallet, straight from the ledger. */
export function useBalance(tenantId: number, options: { enabled?: boolean; refetchInterval?: number | false } = {}) {
  return useQuery({ ...balanceQuery(tenantId), ...options });
}

type Span = Pick<Bar, "from" | "to" | "zone" | "bucket">;

export function creditQuery(tenantId: number, bar: Span) {
  const query = { tenant_id: tenantId, from: bar.from, to: bar.to, zone: bar.zone, bucket: bar.bucket };
  return queryOptions({
    queryKey: ["get", "/api/reports/credit", query],
    queryFn: () => data(api.GET("/api/reports/credit", { params: { query } })),
  });
}

/** Credit over time. */
export function useCredit(tenantId: number, bar: Span, enabled = true) {
  return useQuery({ ...creditQuery(tenantId, bar), placeholderData: keepPreviousData, enabled });
}

/** The balance at the end of each bucket; below zero while the tenant owes. */
export function balancePoints(flows: Schema["CreditFlows"] | undefined, now = Date.now()): Point[] {
  return (flows?.rows ?? []).map((row) => {
    const bucket = flows?.buckets[row.bucket];
    return {
      at: bucket?.starts_at ?? "",
      partial: bucket !== undefined && Date.parse(bucket.ends_at) > now - 60_000,
      values: { balance: subtractAmounts(row.unspent, row.owed), inflow: row.inflow, charged: row.charged },
    };
  });
}

/**
 * In how many days the balance is spent, if it goes on as in the last whole days; null where nothing was spent or nothing
 * is left. A forecast for people, not for the ledger.
 */
export function daysLeft(available: string, spentByDay: string[]): number | null {
  const days = spentByDay.filter((each) => !isZero(each));
  if (days.length === 0 || compareAmounts(available, "0") <= 0) return null;
  const spent = plotted(addAmounts(...spentByDay)) ?? 0;
  const each = spent / spentByDay.length;
  return each > 0 ? (plotted(available) ?? 0) / each : null;
}

/** The balance with a straight line to the day on which it would be spent: at most three weeks of it. */
export function burnDown(points: Point[], days: number | null, now = Date.now()): Point[] {
  const last = points[points.length - 1];
  if (!last || days === null) return points;
  const level = plotted(last.values.balance ?? null) ?? 0;
  const shown = Math.min(21, Math.ceil(days));
  const ahead: Point[] = Array.from({ length: shown }, (_, index) => ({
    at: new Date(now + (index + 1) * 86_400_000).toISOString(),
    values: { balance: null, forecast: Math.max(0, level * (1 - (index + 1) / days)) },
  }));
  const joint = { ...last, values: { ...last.values, forecast: level } };
  return [...points.slice(0, -1), joint, ...ahead];
}

const FOLLOW_TRIES = 20;
const FOLLOW_MILLISECONDS = 400;

/**
 * Read lists of a wallet again once the read model has come to an event: the ledger is ahead of it by a moment, and a list
 * read at once would not show what somebody has just done.
 */
export async function followMovement(tenantId: number, eventId: string): Promise<void> {
  for (let tries = 0; tries < FOLLOW_TRIES; tries++) {
    const newest = await api
      .GET("/api/tenants/{tenant_id}/movements", { params: { path: { tenant_id: tenantId }, query: { limit: 20 } } })
      // What cannot be read is told by the list itself, which reads it next.
      .catch(() => null);
    if (!newest || newest.data?.items.some((each) => each.event_id === eventId)) break;
    await new Promise((resume) => setTimeout(resume, FOLLOW_MILLISECONDS));
  }
  void queryClient.invalidateQueries({ queryKey: ["get", "/api/tenants/{tenant_id}/movements"] });
  void queryClient.invalidateQueries({ queryKey: ["get", "/api/reports/movements"] });
  void queryClient.invalidateQueries({ queryKey: ["get", "/api/reports/credit"] });
}
