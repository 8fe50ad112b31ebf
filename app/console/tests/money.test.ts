import { describe, expect, it } from "vitest";
import type { Schema } from "~/api/client";
import { stateOf, usesOf, worthOf } from "~/pages/admin/codes/batch";
import { afterwards, creditPoints, creditSum, creditWays } from "~/parts/credit";

const NOW = Date.parse("2026-11-30T12:30:00Z");
const row = (bucket: number, figures: Partial<Schema["CreditFlow"]>): Schema["CreditFlow"] => ({
  bucket,
  inflow: "0",
  outflow: "0",
  charged: "0",
  unspent: "0",
  owed: "0",
  ways: [],
  ...figures,
});
const FLOWS: Schema["CreditFlows"] = {
  currency: "USD",
  zone: "UTC",
  buckets: [
    { starts_at: "2026-11-30T11:00:00Z", ends_at: "2026-11-30T12:00:00Z" },
    { starts_at: "2026-11-30T12:00:00Z", ends_at: "2026-11-30T13:00:00Z" },
  ],
  rows: [
    row(0, {
      inflow: "10",
      outflow: "0.3",
      charged: "0.1",
      unspent: "9.7",
      ways: [
        { kind: "granted", source: "top_up", amount: "10" },
        { kind: "lapsed", source: "", amount: "-0.2" },
      ],
    }),
    row(1, {
      inflow: "0.000000001",
      charged: "0.2",
      ways: [{ kind: "granted", source: "top_up", amount: "0.000000001" }],
    }),
  ],
};

describe("credit over time", () => {
  it("says which bucket is not over", () => {
    expect(creditPoints(FLOWS, NOW).map((each) => each.partial)).toEqual([false, true]);
  });

  it("sums by the way that credit took, to the last digit, charges among them", () => {
    expect(creditWays(FLOWS)).toEqual([
      { key: "top_up", amount: "10.000000001" },
      { key: "lapsed", amount: "-0.2" },
      { key: "charged", amount: "-0.3" },
    ]);
    expect(creditSum(FLOWS, "inflow")).toBe("10.000000001");
  });

  it("is nothing before the figures are there", () => {
    expect(creditWays(undefined)).toEqual([]);
    expect(creditSum(undefined, "charged")).toBe("0");
  });
});

describe("a wallet afterwards", () => {
  it.each([
    ["top_up", "5", "0", "1.5", "6.5"],
    ["adjust", "5", "0", "6", "-1"],
    ["refund", "0", "2", "0.5", "-1.5"],
  ] as const)("by %s, of %s and owed %s", (act, balance, owed, amount, after) => {
    expect(Number.parseFloat(afterwards(act, { balance, owed }, amount))).toBe(Number.parseFloat(after));
  });
});

describe("a batch of codes", () => {
  const batch = { archived: false, revoked: false, expires_at: null as string | null };

  it.each([
    [{}, "open"],
    [{ expires_at: "2026-11-30T12:00:00Z" }, "expired"],
    [{ expires_at: "2026-12-30T12:00:00Z" }, "open"],
    [{ revoked: true, expires_at: "2026-11-30T12:00:00Z" }, "revoked"],
    [{ archived: true, revoked: true }, "archived"],
  ])("%j is %s", (change, state) => {
    expect(stateOf({ ...batch, ...change }, NOW)).toBe(state);
  });

  it("is worth its value for each use of each code", () => {
    const terms = { amount: "0.000000001", count: 1000, uses_per_code: 3 };
    expect(usesOf(terms)).toBe(3000);
    expect(worthOf(terms)).toBe("0.000003");
  });
});
