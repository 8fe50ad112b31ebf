import { describe, expect, it } from "vitest";
import { ALL, cellsOf, inherited, isMultiplier, type Multiplier } from "~/pages/admin/groups/matrix";

const cell = (user: string, channel: string, multiplier: string): Multiplier => ({
  id: `${user}-${channel}`,
  user_group: user,
  channel_group: channel,
  multiplier,
  version: 1,
  archived: false,
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
});

describe("an empty cell", () => {
  const all = cell(ALL, ALL, "1.1");
  const column = cell(ALL, "premium", "2");
  const row = cell("vip", ALL, "0.8");

  it.each([
    [[all], "1.1"],
    [[all, column], "2"],
    [[all, column, row], "0.8"],
  ])("takes the most specific one that is set", (set, multiplier) => {
    expect(inherited(cellsOf(set), "vip", "premium")?.multiplier).toBe(multiplier);
  });

  it("takes nothing where nothing is set", () => {
    expect(inherited(cellsOf([]), "vip", "premium")).toBeNull();
  });

  it("does not take itself", () => {
    expect(inherited(cellsOf([row]), "vip", ALL)).toBeNull();
  });
});

describe("a multiplier", () => {
  it.each(["", "0", "1", "0.85", "1000000", "999999.999999999"])("may be %s", (text) => {
    expect(isMultiplier(text)).toBe(true);
  });

  it.each(["-1", "1,5", "1e3", "x", ".5", "1.0000000001", "1000001", "9999999"])("may not be %s", (text) => {
    expect(isMultiplier(text)).toBe(false);
  });
});
