import { homeZone } from "./format";
import { flag, oneOf, type SearchOf, searchOf, text } from "./search";
import { instantOf, wallTime } from "./wallTime";

const HOUR = 3_600_000;
export const RANGES = {
  "1h": HOUR,
  "24h": 24 * HOUR,
  "7d": 168 * HOUR,
  "30d": 720 * HOUR,
  "90d": 2160 * HOUR,
} as const;
export type RangeName = keyof typeof RANGES;
export const DEFAULT_RANGE: RangeName = "24h";

const zone = (value: unknown): string | undefined => (isZone(text(value)) ? text(value) : undefined);
const moment = (value: unknown): string | undefined =>
  Number.isFinite(Date.parse(text(value) ?? "")) ? text(value) : undefined;

/** The global bar, in the URL of every page of a console. */
export const barSearch = searchOf({
  range: oneOf("1h", "24h", "7d", "30d", "90d"),
  from: moment,
  to: moment,
  zone,
  compare: flag,
  live: flag,
});

export type BarSearch = SearchOf<{
  range: (value: unknown) => RangeName | undefined;
  from: typeof text;
  to: typeof text;
  zone: typeof text;
  compare: typeof flag;
  live: typeof flag;
}>;

export type Bar = {
  /** Beginning and end as ISO instants; the end is rounded up to the minute so that a page asks the same question twice. */
  from: string;
  to: string;
  /** The span before, of the same length, for comparing. */
  before: { from: string; to: string };
  zone: string;
  compare: boolean;
  live: boolean;
  range: RangeName | "custom";
  /** The bucket that gives a chart of this span some 24 to 90 points. */
  bucket: "minute" | "hour" | "day";
  change: (patch: BarSearch) => void;
};

/** A bucket that is cut off at the left looks like a bad hour: what is asked for begins where its first bucket does. */
export function startOf(bucket: Bar["bucket"], at: number, zone: string): number {
  if (bucket === "day") return Date.parse(instantOf(`${wallTime(new Date(at), zone).slice(0, 10)}T00:00`, zone));
  const size = bucket === "hour" ? HOUR : 60_000;
  // Zones that are half an hour off begin their hours there.
  const minute = Math.floor((at % HOUR) / 60_000);
  const shift = bucket === "hour" ? (Number(wallTime(new Date(at), zone).slice(-2)) - minute) * 60_000 : 0;
  return Math.floor((at + shift) / size) * size - shift;
}

function isZone(name: string | undefined): name is string {
  try {
    return name !== undefined && Intl.DateTimeFormat(undefined, { timeZone: name }) !== null;
  } catch {
    return false;
  }
}

/** The moment that a range ends at where it ends now: rounded up to the minute. */
export const thisMinute = (now = Date.now()): number => Math.ceil(now / 60_000) * 60_000;

/** What the global bar says in a URL. */
export function barOf(search: BarSearch, otherwise: RangeName, minute = thisMinute()): Omit<Bar, "change"> {
  const custom = search.from !== undefined && search.to !== undefined;
  const name = search.range ?? otherwise;
  const to = custom ? Date.parse(search.to as string) : minute;
  const asked = custom ? Date.parse(search.from as string) : minute - RANGES[name];
  const length = Number.isFinite(to - asked) && to > asked ? to - asked : RANGES[name];
  const end = Number.isFinite(to) ? to : minute;
  const iso = (at: number) => new Date(at).toISOString();
  const zone = isZone(search.zone) ? search.zone : homeZone();
  const bucket = length <= 2 * HOUR ? "minute" : length <= 72 * HOUR ? "hour" : "day";
  const span = custom ? length : end - startOf(bucket, end - length, zone);
  return {
    from: iso(end - span),
    to: iso(end),
    before: { from: iso(end - 2 * span), to: iso(end - span) },
    zone,
    compare: search.compare ?? false,
    live: search.live ?? false,
    range: custom ? "custom" : name,
    bucket,
  };
}

/** The same span in buckets of another zone: it begins where one of its days does. */
export function inZone(bar: Bar, zone: string): Bar {
  if (bar.zone === zone || bar.bucket !== "day" || bar.range === "custom") return { ...bar, zone };
  const start = startOf("day", Date.parse(bar.from), zone);
  const end = Date.parse(bar.to);
  const iso = (at: number) => new Date(at).toISOString();
  return { ...bar, zone, from: iso(start), before: { from: iso(2 * start - end), to: iso(start) } };
}
