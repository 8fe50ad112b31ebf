import { describe, expect, it } from "vitest";
import { startOf } from "~/lib/range";
import { flag, oneOf, searchOf, several, text, whole } from "~/lib/search";

const at = (iso: string) => Date.parse(iso);
const iso = (instant: number) => new Date(instant).toISOString();

describe("a range begins where its first bucket does", () => {
  it.each([
    ["day", "2026-11-30T18:42:10Z", "UTC", "2026-11-30T00:00:00.000Z"],
    ["day", "2026-11-30T18:42:10Z", "Asia/Shanghai", "2026-11-30T16:00:00.000Z"],
    ["hour", "2026-11-30T18:42:10Z", "UTC", "2026-11-30T18:00:00.000Z"],
    ["hour", "2026-11-30T18:42:10Z", "Asia/Kolkata", "2026-11-30T18:30:00.000Z"],
    ["hour", "2026-11-30T18:12:10Z", "Asia/Kolkata", "2026-11-30T17:30:00.000Z"],
    ["minute", "2026-11-30T18:42:10Z", "UTC", "2026-11-30T18:42:00.000Z"],
  ] as const)("of a %s, at %s in %s", (bucket, moment, zone, start) => {
    expect(iso(startOf(bucket, at(moment), zone))).toBe(start);
  });
});

it("keeps of a URL what fits, and leaves out the rest", () => {
  const read = searchOf({ a: text, b: flag, c: whole, d: oneOf("x", "y"), e: several });
  expect(read({ a: "t", b: "true", c: "7", d: "x", e: "p,q", f: "no" })).toEqual({
    a: "t",
    b: true,
    c: 7,
    d: "x",
    e: ["p", "q"],
  });
  expect(read({ a: {}, b: "maybe", c: "7.5", d: "z", e: [] })).toEqual({});
  // Over the raw parameters, as the router has it.
  const raw = { a: "t", d: "z" };
  expect({ ...raw, ...read(raw) }).toEqual({ a: "t" });
  expect(read({ a: 12 })).toEqual({ a: "12" });
});
