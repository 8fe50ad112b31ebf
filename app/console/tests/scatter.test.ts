import { describe, expect, it } from "vitest";
import { DOT, LINE, placeNames, type Spot, ticksOver, widthOf } from "~/kit/scatter";

const WIDTH = 800;
const HEIGHT = 280;

function boxes(spots: Spot[]) {
  return placeNames(spots, WIDTH, HEIGHT).flatMap(({ label, name }) => {
    if (!name) return [];
    const wide = widthOf(label);
    const left = name.anchor === "start" ? name.x : name.anchor === "end" ? name.x - wide : name.x - wide / 2;
    return [{ left, right: left + wide, top: name.y - LINE / 2, bottom: name.y + LINE / 2 }];
  });
}

/** The same each time: a fault that is found once is found again. */
function crowd(count: number): Spot[] {
  let seed = 7;
  const next = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  return Array.from({ length: count }, (_, index) => ({
    key: `m${index}`,
    label: index % 3 ? `vendor-model-${index}` : `通义千问-${index}`,
    x: next() * WIDTH,
    y: next() ** 3 * HEIGHT,
  }));
}

describe("the names in a scatter", () => {
  it.each([2, 12, 40, 150])("of %i things overlap neither each other nor a dot, and stay within the plot", (count) => {
    const spots = crowd(count);
    const found = boxes(spots);
    expect(found.length).toBeGreaterThan(0);
    const clash = (one: (typeof found)[number], other: (typeof found)[number]) =>
      one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
    found.forEach((one, index) => {
      expect(found.slice(index + 1).some((other) => clash(one, other))).toBe(false);
      expect(
        spots.some(({ x, y }) => clash(one, { left: x - DOT, right: x + DOT, top: y - DOT, bottom: y + DOT })),
      ).toBe(false);
      expect(one.left >= 0 && one.right <= WIDTH && one.top >= 0 && one.bottom <= HEIGHT).toBe(true);
    });
  });

  it("are all there where there is room, also at the edges and one beneath the other", () => {
    const spots = [
      { key: "a", label: "first-model", x: 2, y: 100 },
      { key: "b", label: "at-the-right-edge", x: WIDTH - 2, y: 100 },
      { key: "c", label: "close-by", x: 400, y: 200 },
      { key: "d", label: "closer-by", x: 404, y: 206 },
    ];
    expect(placeNames(spots, WIDTH, HEIGHT).filter((each) => each.name === null)).toEqual([]);
  });
});

describe("ticks", () => {
  it.each([
    [
      [0, 9],
      [0, 2, 4, 6, 8, 10],
    ],
    [
      [93, 119],
      [90, 100, 110, 120],
    ],
    [
      [0, 0.37],
      [0, 0.1, 0.2, 0.3, 0.4],
    ],
    [
      [0, 0],
      [0, 0.2],
    ],
  ])("over %j are round and hold them", (figures, ticks) => {
    expect(ticksOver(figures)).toEqual(ticks);
  });
});
