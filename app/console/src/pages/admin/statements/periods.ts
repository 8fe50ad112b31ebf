/** Where a month ends first. */
const HOURS_AHEAD = 14;

/**
 * Two years of periods to choose from, the last first; one from a link is among them in any case. A month counts as over
 * as soon as it is for any tenant, whatever the time zone of who looks.
 */
export function lastPeriods(chosen?: string, now = new Date()): string[] {
  const ahead = new Date(now.getTime() + HOURS_AHEAD * 3_600_000);
  const periods = Array.from({ length: 24 }, (_, back) =>
    new Date(Date.UTC(ahead.getUTCFullYear(), ahead.getUTCMonth() - 1 - back, 1)).toISOString().slice(0, 7),
  );
  return chosen === undefined || periods.includes(chosen) ? periods : [chosen, ...periods];
}
