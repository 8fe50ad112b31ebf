/** What a clock in the zone shows at an instant, as `datetime-local` wants it: 2026-11-30T18:04. */
export function wallTime(instant: string | Date, zone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  }).formatToParts(new Date(instant));
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "00";
  return `${part("year")}-${part("month")}-${part("day")}T${part("hour")}:${part("minute")}`;
}

/**
 * The instant at which a clock in the zone shows this. A time that a zone skips in spring becomes the one an hour on; of
 * one that it has twice in autumn, the first is taken.
 */
export function instantOf(wall: string, zone: string): string {
  const wanted = Date.parse(`${wall}:00Z`);
  let instant = wanted;
  // The offset that holds there is found by trying; twice, for the first guess may lie on the other side of a change.
  for (let tries = 0; tries < 2; tries++) {
    const shown = Date.parse(`${wallTime(new Date(instant), zone)}:00Z`);
    instant += wanted - shown;
  }
  return new Date(instant).toISOString();
}
