import type { Schema } from "~/api/client";
import { plotted } from "~/lib/format";

type Use = Pick<Schema["LimitUse"], "period" | "used" | "held" | "limit" | "ends_at" | "used_permille">;

const DAYS: Partial<Record<Use["period"], number>> = { day: 1, week: 7, month: 30.4 };
const DAY = 86_400_000;

/**
 * When a budget will be used up if it goes on as since its window began; null if that is not within the window, or nobody
 * can say. It is a forecast for people: the ledger knows nothing of it.
 */
export function fullOn(use: Use, now: number = Date.now()): string | null {
  const days = DAYS[use.period];
  if (!days || !use.ends_at || use.used_permille >= 1000) return null;
  const ends = Date.parse(use.ends_at);
  const elapsed = now - (ends - days * DAY);
  const used = (plotted(use.used) ?? 0) + (plotted(use.held) ?? 0);
  const whole = plotted(use.limit) ?? 0;
  // From the first minutes of a window nothing can be told.
  if (elapsed < days * DAY * 0.05 || used <= 0) return null;
  const at = now + ((whole - used) / used) * elapsed;
  return at < ends ? new Date(at).toISOString() : null;
}
