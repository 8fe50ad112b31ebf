import { describe, expect, it } from "vitest";
import { written } from "~/parts/OperatorReceipt";

describe("an entry of a receipt", () => {
  it.each([
    ["rpm.token:01a2:2026-11-30T20:38Z", 600, "600"],
    ["tpm.tenant:7:2026-11-30T20:38Z", 12_000, "12,000"],
    ["concurrency.token:01a2:total", 1, "1"],
    ["budget.user.tokens.day:7:u:2026-11-30", 85, "85"],
    ["budget.token.money.month:01a2:2026-11", 50_000_000_000, "50"],
    ["grant.paid:01a2", -36, "-0.000000036"],
  ])("of %s is written in its unit", (account, units, text) => {
    expect(written(account, units)).toBe(text);
  });
});
