import { plotted } from "~/lib/format";

/** The mean of the days that had requests; null without any. Days count alike, however busy they were. */
export function meanPercent(days: (string | null)[]): string | null {
  const known = days.filter((each) => each !== null);
  if (known.length === 0) return null;
  const sum = known.reduce((total, each) => total + (plotted(each) ?? 0), 0);
  // Rounded down: 99.999 is no 100.
  return (Math.floor((sum / known.length) * 100) / 100).toFixed(2);
}
