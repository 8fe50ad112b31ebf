/** Two years of periods to choose from, the last first; one from a link is among them in any case. */
export function lastPeriods(chosen?: string, now = new Date()): string[] {
  const periods = Array.from({ length: 24 }, (_, back) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1 - back, 1)).toISOString().slice(0, 7),
  );
  return chosen === undefined || periods.includes(chosen) ? periods : [chosen, ...periods];
}
