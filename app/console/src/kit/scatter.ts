/** Where things stand in a plot of two figures, and where their names have room. */

export type Spot = { key: string; label: string; x: number; y: number };
export type Placed = Spot & {
  /** Where its name begins, and on which side of the dot; null where it has no room: the dot has it in its tooltip. */
  name: { x: number; y: number; anchor: "start" | "end" | "middle" } | null;
};

type Box = { left: number; right: number; top: number; bottom: number };

export const DOT = 5;
export const LINE = 13;

/** The width of a name in pixels: a guess on the wide side, for a plot is drawn before its fonts can be measured. */
export const widthOf = (label: string): number =>
  [...label].reduce((sum, sign) => sum + (/[\u2e80-\uffff]/.test(sign) ? 12 : 6.6), 0);

const overlaps = (one: Box, other: Box): boolean =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;

/**
 * Name the dots so that no name lies on another one, on a dot, or beyond the edge: right of it, left, above, below or in between,
 * the first that has room. Those with the fewest neighbors are named last, for they have room anywhere.
 */
export function placeNames(spots: Spot[], width: number, height: number): Placed[] {
  const dots: Box[] = spots.map(({ x, y }) => ({ left: x - DOT, right: x + DOT, top: y - DOT, bottom: y + DOT }));
  const taken: Box[] = [];
  const names = new Map<string, Placed["name"]>();
  const crowd = (spot: Spot) =>
    spots.filter((each) => Math.abs(each.x - spot.x) < 120 && Math.abs(each.y - spot.y) < 2 * LINE).length;
  for (const spot of [...spots].sort((one, other) => crowd(other) - crowd(one))) {
    const wide = widthOf(spot.label);
    const gap = DOT + 3;
    const choices = [
      { x: spot.x + gap, y: spot.y, anchor: "start" as const, left: spot.x + gap },
      { x: spot.x - gap, y: spot.y, anchor: "end" as const, left: spot.x - gap - wide },
      { x: spot.x, y: spot.y - gap - LINE / 2, anchor: "middle" as const, left: spot.x - wide / 2 },
      { x: spot.x, y: spot.y + gap + LINE / 2, anchor: "middle" as const, left: spot.x - wide / 2 },
      { x: spot.x + gap, y: spot.y - LINE, anchor: "start" as const, left: spot.x + gap },
      { x: spot.x + gap, y: spot.y + LINE, anchor: "start" as const, left: spot.x + gap },
      { x: spot.x - gap, y: spot.y - LINE, anchor: "end" as const, left: spot.x - gap - wide },
      { x: spot.x - gap, y: spot.y + LINE, anchor: "end" as const, left: spot.x - gap - wide },
    ];
    const choice = choices.find(({ y, left }) => {
      const box = { left, right: left + wide, top: y - LINE / 2, bottom: y + LINE / 2 };
      const isInside = box.left >= 0 && box.right <= width && box.top >= 0 && box.bottom <= height;
      if (!isInside || [...taken, ...dots].some((each) => overlaps(box, each))) return false;
      taken.push(box);
      return true;
    });
    names.set(spot.key, choice ? { x: choice.x, y: choice.y, anchor: choice.anchor } : null);
  }
  return spots.map((spot) => ({ ...spot, name: names.get(spot.key) ?? null }));
}

/** A few round figures from below the smallest to beyond the largest. */
export function ticksOver(figures: readonly number[], about = 5): number[] {
  const smallest = Math.min(...figures);
  const largest = Math.max(...figures);
  const span = largest - smallest || Math.abs(largest) || 1;
  const raw = span / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find((each) => each * power >= raw) ?? 10) * power;
  const first = Math.floor(smallest / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(largest / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}
