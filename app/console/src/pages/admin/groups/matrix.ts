import type { Schema } from "~/api/client";

export type Multiplier = Schema["MultiplierView"];
export const ALL = "all";

export type Cells = ReadonlyMap<string, Multiplier>;
export const cellKey = (user: string, channel: string): string => `${user}\n${channel}`;

export const cellsOf = (multipliers: readonly Multiplier[]): Cells =>
  new Map(multipliers.map((each) => [cellKey(each.user_group, each.channel_group), each]));

/** What applies where a cell is not set: the row for all channels, the column for all users, all on all. */
export function inherited(cells: Cells, user: string, channel: string): Multiplier | null {
  for (const [row, column] of [
    [user, ALL],
    [ALL, channel],
    [ALL, ALL],
  ] as const) {
    if (row === user && column === channel) continue;
    const found = cells.get(cellKey(row, column));
    if (found) return found;
  }
  return null;
}

/** What may be typed into a cell: nothing, or a decimal number as the API takes it. */
export const isMultiplier = (text: string): boolean =>
  text === "" || (/^\d{1,7}(\.\d{1,9})?$/.test(text) && !/^([1-9]\d{6,})/.test(text.replace(/^1000000(\.0*)?$/, "")));
