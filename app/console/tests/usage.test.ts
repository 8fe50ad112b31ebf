import { describe, expect, it } from "vitest";
import { type Bar, inZone } from "~/lib/range";
import { dimensionsOf } from "~/pages/admin/usage/dimensions";
import { groupedPoints, isByDaysOfUtc, joinedKey, seriesOf, totals, type Usage } from "~/parts/usage";

const sums = (charged: string, more: object = {}) =>
  ({ charged, cost: null, margin: null, requests: 1, voids: 0, expired: 0, refusals: 0, ...more }) as never;
const day = (at: number) => ({ starts_at: `2026-05-0${at}T00:00:00Z`, ends_at: `2026-05-0${at + 1}T00:00:00Z` });
const usageOf = (rows: Usage["rows"]): Usage => ({ buckets: [day(1), day(2)], currency: "USD", rows, zone: "UTC" });

describe("usage by several dimensions", () => {
  it("is one series for each combination, the rest last", () => {
    const by = ["tenant", "model_asked"];
    const usage = usageOf([
      { bucket: 0, keys: { tenant: "(rest)", model_asked: "(rest)" }, sums: sums("9") },
      { bucket: 0, keys: { tenant: "7", model_asked: "a" }, sums: sums("0.000000001") },
      { bucket: 1, keys: { tenant: "7", model_asked: "b" }, sums: sums("2") },
    ]);
    const { points, keys } = groupedPoints(usage, by, (each) => each.charged, "0");
    const series = seriesOf(keys, (key) => key);
    expect(series).toHaveLength(3);
    expect(series[2]?.key).toBe(joinedKey({ tenant: "(rest)", model_asked: "(rest)" }, by));
    expect(points[0]?.values[joinedKey({ tenant: "7", model_asked: "a" }, by)]).toBe("0.000000001");
    expect(points[1]?.values[joinedKey({ tenant: "7", model_asked: "a" }, by)]).toBe("0");
  });

  it("takes from the address what is a dimension, and no more than three", () => {
    expect(dimensionsOf(undefined)).toEqual(["tenant"]);
    expect(dimensionsOf(["tag", "drop table", "tag"])).toEqual(["tag"]);
    expect(dimensionsOf(["tag", "user", "token", "vendor"])).toEqual(["tag", "user", "token"]);
  });
});

describe("sums", () => {
  it("have no cost where the role may not see it, and exact ones where it may", () => {
    const hidden = usageOf([{ bucket: 0, keys: {}, sums: sums("1") }]);
    expect(totals(hidden).cost).toBeNull();
    const shown = usageOf([
      { bucket: 0, keys: {}, sums: sums("1", { cost: "0.1", margin: "0.9" }) },
      { bucket: 1, keys: {}, sums: sums("1", { cost: "0.2", margin: "0.8" }) },
    ]);
    expect(totals(shown)).toMatchObject({ charged: "2", cost: "0.3", margin: "1.7" });
  });
});

describe("days", () => {
  it("are those of UTC where sums over all tenants are kept by no other", () => {
    expect(isByDaysOfUtc({}, ["tenant"])).toBe(false);
    expect(isByDaysOfUtc({}, ["vendor", "model_asked"])).toBe(false);
    expect(isByDaysOfUtc({}, ["tag"])).toBe(true);
    expect(isByDaysOfUtc({}, ["tenant", "model_asked"])).toBe(true);
    expect(isByDaysOfUtc({ user_id: "u" }, ["model_asked"])).toBe(true);
    expect(isByDaysOfUtc({ tenant_id: 7, user_id: "u" }, ["tag"])).toBe(false);
  });

  it("begin where the zone's do, and the span before is as long", () => {
    const bar = { bucket: "day", range: "7d", zone: "Asia/Shanghai" } as Bar;
    const moved = inZone({ ...bar, from: "2026-05-09T16:00:00.000Z", to: "2026-05-11T12:00:00.000Z" }, "UTC");
    expect(moved.from).toBe("2026-05-09T00:00:00.000Z");
    expect(moved.before).toEqual({ from: "2026-05-06T12:00:00.000Z", to: "2026-05-09T00:00:00.000Z" });
  });
});
