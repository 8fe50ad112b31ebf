import type { Schema } from "~/api/client";
import { type Amount, decimalTimes, isZero } from "~/lib/format";

export type ModelPrice = Schema["ModelPrice"];
export type Per = "1k" | "1m";

/** The classes of tokens that have prices, in the order of a row. */
export const TOKEN_CLASSES = [
  "input",
  "cached_input",
  "cache_write",
  "cache_write_1h",
  "output",
  "reasoning",
  "audio_input",
  "audio_output",
  "image_input",
  "image_output",
] as const;
export type TokenClass = (typeof TOKEN_CLASSES)[number];

/** Prices by something else than tokens. */
export const OTHER_CLASSES = [
  "per_call",
  "per_image",
  "per_second",
  "per_hour",
  "per_character",
  "per_search",
] as const;

/** A price per million tokens, in the unit that is chosen: exact, for it only moves the point. */
export const inUnit = (price: Amount, per: Per): Amount => (per === "1m" ? price : decimalTimes(price, "0.001"));

/** What a price comes to with a multiplier, exactly. */
export const times = (price: Amount, multiplier: string): Amount =>
  multiplier === "1" ? price : decimalTimes(price, multiplier);

/** A whole price list scaled, tier by tier. */
export function scaled(price: ModelPrice, multiplier: string): ModelPrice {
  if (multiplier === "1") return price;
  const each = <T extends object>(part: T): T =>
    Object.fromEntries(
      Object.entries(part).map(([key, value]) => [
        key,
        typeof value === "string" &&
        ((TOKEN_CLASSES as readonly string[]).includes(key) || (OTHER_CLASSES as readonly string[]).includes(key))
          ? times(value, multiplier)
          : value,
      ]),
    ) as T;
  return {
    ...each(price),
    per_image_by: Object.fromEntries(
      Object.entries(price.per_image_by ?? {}).map(([key, value]) => [key, times(value, multiplier)]),
    ),
    tiers: (price.tiers ?? []).map(each),
  };
}

/** Whether a model costs nothing, and is meant to. */
export const isFree = (price: ModelPrice): boolean =>
  Boolean(price.free) || (price.input !== null && price.input !== undefined && isZero(price.input) && !price.output);
