import { describe, expect, it } from "vitest";
import { lastPeriods } from "~/pages/admin/statements/periods";

describe("the periods of statements", () => {
  it("are those that are over for some tenant, though not yet where one looks from", () => {
    expect(lastPeriods(undefined, new Date("2026-11-30T09:59:59Z"))[0]).toBe("2026-10");
    expect(lastPeriods(undefined, new Date("2026-11-30T10:00:00Z"))[0]).toBe("2026-11");
    expect(lastPeriods(undefined, new Date("2026-12-31T23:00:00Z")).slice(0, 2)).toEqual(["2026-12", "2026-11"]);
  });

  it("hold the one that a link names", () => {
    expect(lastPeriods("2019-05", new Date("2026-11-30T00:00:00Z"))[0]).toBe("2019-05");
  });
});
