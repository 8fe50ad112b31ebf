import { useState } from "react";
import { queryClient, type Schema } from "~/api/client";
import { type Listing, wholeListing } from "~/api/listing";
import { OTHER_CLASSES, TOKEN_CLASSES } from "~/parts/prices";

export type Price = Schema["PriceBody"];
export type Prices = Record<string, Price>;

/** After a change of a card: lists, the card, and what was computed of it are read again. */
export function cardsChanged(): void {
  void queryClient.invalidateQueries({
    predicate: ({ queryKey }) => String(queryKey[1] ?? "").startsWith("/api/rate-cards"),
  });
}

/** A price as a person writes it: digits and one point. Empty is none. */
export const isPrice = (typed: string): boolean => typed === "" || /^\d+(\.\d+)?$/.test(typed);

/** A price list with one price changed; empty takes the price away. */
export function withPrice(prices: Prices, model: string, name: keyof Price, value: string): Prices {
  const { [name]: _, ...others } = prices[model] ?? {};
  return { ...prices, [model]: value === "" ? others : { ...others, [name]: value } };
}

const written = (price: Price | undefined): string =>
  price === undefined
    ? ""
    : JSON.stringify(
        Object.entries(price)
          .filter(([, value]) => value !== null && value !== undefined && value !== false)
          .filter(([, value]) => typeof value !== "object" || Object.keys(value as object).length > 0)
          .sort(([one], [other]) => one.localeCompare(other)),
      );

/** Whether two prices say the same. */
export const samePrice = (one: Price | undefined, other: Price | undefined): boolean => written(one) === written(other);

/** The models whose prices are not the same in two lists, by name. */
export const changedModels = (before: Prices, after: Prices): string[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((model) => !samePrice(before[model], after[model]))
    .sort((one, other) => one.localeCompare(other));

export type Aliases = Record<string, string>;

/** The other names of a model, by name. */
export const namesOf = (aliases: Aliases, model: string): string[] =>
  Object.keys(aliases)
    .filter((alias) => aliases[alias] === model)
    .sort((one, other) => one.localeCompare(other));

/** Give a model these other names, and no more. */
export const withNames = (aliases: Aliases, model: string, names: readonly string[]): Aliases => ({
  ...Object.fromEntries(Object.entries(aliases).filter(([, target]) => target !== model)),
  ...Object.fromEntries(names.map((name) => [name, model])),
});

/** The first of these names that already means another model, or null: a name may lead to one price only. */
export function takenName(
  names: readonly string[],
  model: string,
  prices: Prices,
  aliases: Aliases,
): { name: string; by: string } | null {
  for (const name of names) {
    if (name in prices) return { name, by: name };
    const target = aliases[name];
    if (target !== undefined && target !== model) return { name, by: target };
  }
  return null;
}

/** The models whose other names are not the same in two lists. */
export const renamedModels = (before: Aliases, after: Aliases): string[] =>
  [...new Set([...Object.values(before), ...Object.values(after)])].filter(
    (model) => namesOf(before, model).join("\n") !== namesOf(after, model).join("\n"),
  );

/** What keeps a list from being saved, by model: fields that are no price. */
export function wrongPrices(prices: Prices): string[] {
  return Object.entries(prices)
    .filter(([, price]) =>
      [...TOKEN_CLASSES, ...OTHER_CLASSES].some((name) => !isPrice((price[name] ?? "").toString().trim())),
    )
    .map(([model]) => model);
}

/** A long list that came whole, shown a part at a time: thousands of rows with inputs are slow to draw. */
export function useParts<Row>(rows: Row[], state: Parameters<typeof wholeListing>[1] = {}, size = 50): Listing<Row> {
  const [shown, setShown] = useState(size);
  return {
    ...wholeListing(rows.slice(0, shown), state),
    hasMore: rows.length > shown,
    more: () => setShown((now) => now + size),
  };
}
