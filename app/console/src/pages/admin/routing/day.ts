import { useState } from "react";
import { useTop } from "~/parts/usage";

/** How many requests asked for a model in the last 24 hours, of everybody or of a tenant; null until that is known. */
export function useDayOf(model: string, tenantId: number | null): number | null {
  const [from] = useState(() => new Date(Math.floor(Date.now() / 60_000) * 60_000 - 86_400_000).toISOString());
  const rows = useTop({
    by: "model_asked",
    from,
    order: "requests",
    limit: model ? 1 : 500,
    model_asked: model || undefined,
    tenant_id: tenantId ?? undefined,
  }).data?.rows;
  return rows ? rows.reduce((sum, row) => sum + row.sums.requests, 0) : null;
}
