import { useMemo } from "react";
import type { Schema } from "~/api/client";
import { addAmounts, date } from "~/lib/format";
import { groupedPoints, useUsage } from "~/parts/usage";

export type KeyUse = { figures: string[]; charged: string; last: string | null };

/** What each of these keys spent in thirty days, day by day; of the first hundred rows. Of one tenant with `tenantId`. */
export function useKeyUse(keys: Schema["TokenView"][], tenantId?: number): Map<string, KeyUse> {
  const ids = keys
    .slice(0, 100)
    .map((each) => each.id)
    .sort();
  const usage = useUsage(
    { tenant_id: tenantId, by: "token", bucket: "day", token_ids: ids.join(","), top: 100 },
    { enabled: ids.length > 0 },
  ).data;
  return useMemo(() => {
    const found = new Map<string, KeyUse>();
    if (!usage) return found;
    const { points, keys: used } = groupedPoints(usage, "token", (sums) => sums.charged, "0");
    for (const id of used) {
      const figures = points.map((point) => String(point.values[id] ?? "0"));
      const busy = usage.rows.filter((each) => each.keys.token === id && each.sums.requests > 0);
      const last = busy.reduce<number>((latest, each) => Math.max(latest, each.bucket), -1);
      found.set(id, {
        figures,
        charged: addAmounts(...figures),
        // The day as the report has it, in its zone.
        last: last < 0 ? null : date(usage.buckets[last]?.starts_at ?? "", usage.zone),
      });
    }
    return found;
  }, [usage]);
}
