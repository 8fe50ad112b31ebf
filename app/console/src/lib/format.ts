import { site } from "~/site";

/**
 * A decimal amount as the API gives it ("12.50"). It is never made a number: binary floats cannot hold it. Intl takes
 * the text as it is, to the last digit.
 */
export type Amount = string;

let locale = "en";

/** The language in which numbers and dates are written; set by i18n. */
export function setLocale(tag: string): void {
  locale = tag;
  formats.clear();
}

export const currentLocale = (): string => locale;

const formats = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>();

function numberFormat(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `n${JSON.stringify(options)}`;
  const known = formats.get(key);
  if (known) return known as Intl.NumberFormat;
  const made = new Intl.NumberFormat(locale, options);
  formats.set(key, made);
  return made;
}

function dateFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d${JSON.stringify(options)}`;
  const known = formats.get(key);
  if (known) return known as Intl.DateTimeFormat;
  const made = new Intl.DateTimeFormat(locale, options);
  formats.set(key, made);
  return made;
}

const exactly = (amount: Amount): Intl.StringNumericLiteral => amount as Intl.StringNumericLiteral;

const PLACES_MIN = 2;
const PLACES_MAX = 6;

/** An amount with its currency, two to six decimals; `places` is how many there are at least. */
export function money(amount: Amount, currency: string = site.currency, places = PLACES_MIN): string {
  return numberFormat({
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: places,
    maximumFractionDigits: PLACES_MAX,
  }).format(exactly(amount));
}

/** How many decimals amounts of one column need, for their points to stand under one another. */
export const placesOf = (amounts: readonly Amount[]): number =>
  Math.min(PLACES_MAX, Math.max(PLACES_MIN, ...amounts.map(decimals)));

/** An amount with every digit that it has, and the currency's code. */
export function exactMoney(amount: Amount, currency: string = site.currency): string {
  const digits = amount.split(".")[1]?.length ?? 0;
  const whole = numberFormat({
    minimumFractionDigits: Math.max(2, digits),
    maximumFractionDigits: Math.max(2, digits),
  });
  return `${whole.format(exactly(amount))} ${currency}`;
}

/** Whether an amount is nothing, without making it a number. */
export const isZero = (amount: Amount): boolean => /^-?0*(\.0*)?$/.test(amount);
export const isNegative = (amount: Amount): boolean => amount.startsWith("-") && !isZero(amount);

/** Compare two amounts exactly: below zero if the first is smaller. */
export function compareAmounts(one: Amount, other: Amount): number {
  const places = Math.max(decimals(one), decimals(other));
  const difference = scaled(one, places) - scaled(other, places);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The exact sum. */
export function addAmounts(...amounts: Amount[]): Amount {
  const places = Math.max(0, ...amounts.map(decimals));
  return unscaled(
    amounts.reduce((sum, each) => sum + scaled(each, places), 0n),
    places,
  );
}

export const negateAmount = (amount: Amount): Amount => unscaled(-scaled(amount, decimals(amount)), decimals(amount));
export const subtractAmounts = (one: Amount, other: Amount): Amount => addAmounts(one, negateAmount(other));

const decimals = (amount: Amount): number => amount.split(".")[1]?.length ?? 0;

function scaled(amount: Amount, places: number): bigint {
  const [whole = "0", part = ""] = amount.replace("-", "").split(".");
  const value = BigInt(whole + part.padEnd(places, "0"));
  return amount.startsWith("-") ? -value : value;
}

function unscaled(value: bigint, places: number): Amount {
  const digits = (value < 0n ? -value : value).toString().padStart(places + 1, "0");
  const text = places ? `${digits.slice(0, -places)}.${digits.slice(-places)}` : digits;
  return value < 0n ? `-${text}` : text;
}

/** How high an amount is drawn. A pixel is coarse enough for a float; what is written beside it is exact. */
export const plotted = (value: Amount | number | null): number | null =>
  value === null ? null : typeof value === "number" ? value : Number.parseFloat(value);

/** A whole number: requests, tokens. */
export const count = (value: number): string => numberFormat({ maximumFractionDigits: 0 }).format(value);

/** A large number, short: 12.3K, 1.2万. */
export const compact = (value: number): string =>
  numberFormat({ notation: "compact", maximumFractionDigits: 1 }).format(value);

/** A figure beside an axis: short if large, with the digits that matter if small. */
export const axisFigure = (value: number): string =>
  value !== 0 && Math.abs(value) < 10 ? numberFormat({ maximumSignificantDigits: 2 }).format(value) : compact(value);

/** A share from 0 to 1 as percent. */
export const percent = (share: number, digits = 1): string =>
  numberFormat({ style: "percent", maximumFractionDigits: digits }).format(share);

/** A plain decimal text such as a multiplier, every digit kept. */
export const decimal = (value: string): string => numberFormat({ maximumFractionDigits: 20 }).format(exactly(value));

/** A duration: 840 ms, 2.4 s, 3 min. */
export function milliseconds(value: number): string {
  const unit = (amount: number, name: string, digits: number): string =>
    numberFormat({ style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits }).format(amount);
  if (value < 1000) return unit(value, "millisecond", 0);
  if (value < 60_000) return unit(value / 1000, "second", 2);
  if (value < 3_600_000) return unit(value / 60_000, "minute", 1);
  if (value < 86_400_000) return unit(value / 3_600_000, "hour", 1);
  return unit(value / 86_400_000, "day", 1);
}

/** Bytes: 12 kB. */
export function bytes(value: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3));
  return numberFormat({ style: "unit", unit: units[step], unitDisplay: "short", maximumFractionDigits: 1 }).format(
    value / 1000 ** step,
  );
}

/** The zone of this browser. */
export const localZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

let chosenZone = "";

/** The zone that the person has chosen for themselves; empty is the browser's. */
export function setHomeZone(zone: string): void {
  chosenZone = zone;
}

/** The zone that times are shown in where a page's URL names none. */
export const homeZone = (): string => chosenZone || localZone();

/** Date and time, with the zone's short name, so that nobody has to guess. */
export const dateTime = (at: string | Date, zone?: string): string =>
  dateFormat({
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
    timeZone: zone,
  }).format(new Date(at));

/** The time of day, for rows of the same day. */
export const timeOfDay = (at: string | Date, zone?: string): string =>
  dateFormat({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone }).format(
    new Date(at),
  );

export const date = (at: string | Date, zone?: string): string =>
  dateFormat({ year: "numeric", month: "short", day: "numeric", timeZone: zone }).format(new Date(at));

/** A short mark for an axis: the hour within a day, else the day. */
export const tick = (at: string | Date, hours: boolean, zone?: string): string =>
  dateFormat(
    hours
      ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone }
      : { month: "short", day: "numeric", timeZone: zone },
  ).format(new Date(at));

const STEPS: readonly [number, Intl.RelativeTimeFormatUnit][] = [
  [60, "second"],
  [60, "minute"],
  [24, "hour"],
  [30, "day"],
  [12, "month"],
];

/** How long ago, or until when: 3 minutes ago. */
export function relative(at: string | Date, now: number = Date.now()): string {
  const key = "r";
  const format =
    (formats.get(key) as Intl.RelativeTimeFormat | undefined) ??
    new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "long" });
  formats.set(key, format);
  let value = (new Date(at).getTime() - now) / 1000;
  for (const [size, unit] of STEPS) {
    if (Math.abs(value) < size) return format.format(Math.trunc(value), unit);
    value /= size;
  }
  return format.format(Math.trunc(value), "year");
}

/** A list in words: a, b and c. */
export const listed = (items: string[]): string => new Intl.ListFormat(locale, { type: "conjunction" }).format(items);

/** The exact product of two plain decimals, without the zeros at its end. */
export function decimalTimes(one: string, other: string): string {
  const places = decimals(one) + decimals(other);
  const text = unscaled(scaled(one, decimals(one)) * scaled(other, decimals(other)), places);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A percentage that the API gives as decimal text ("99.95"), as it is. */
export const percentText = (value: string): string =>
  `${numberFormat({ maximumFractionDigits: 2 }).format(exactly(value))} %`;
