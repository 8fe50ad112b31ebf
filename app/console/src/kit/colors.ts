/** How many colors styles.css has for series, for both themes. */
const COLORS = 10;

const taken = new Map<string, number>();

/**
 * The color of a key (a model, a vendor): the same on all pages. It begins where the key's hash says, and takes the next
 * one that is free, so that two of the first ten never look alike.
 */
export function seriesColor(key: string): string {
  if (key === "(rest)" || key === "") return "var(--tg-series-rest)";
  let index = taken.get(key);
  if (index === undefined) {
    let hash = 2166136261;
    for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 16777619) >>> 0;
    index = hash % COLORS;
    const used = new Set(taken.values());
    for (let tries = 0; tries < COLORS && used.has(index); tries++) index = (index + 1) % COLORS;
    taken.set(key, index);
  }
  return `var(--tg-series-${index})`;
}
