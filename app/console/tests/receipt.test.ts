import { describe, expect, it } from "vitest";
import { written } from "~/parts/OperatorReceipt";
import { timelineOf } from "~/parts/timeline";

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

describe("the timeline of a receipt", () => {
  const attempt = (fields: object) =>
    ({ outcome: "completed", latency_milliseconds: 400, first_byte_milliseconds: 150, ...fields }) as Parameters<
      typeof timelineOf
    >[0]["attempts"][number];
  const receipt = (attempts: ReturnType<typeof attempt>[], ended: number) => ({
    attempts,
    hold: { at: "2026-11-30T12:00:00.000Z" },
    end: { at: new Date(Date.parse("2026-11-30T12:00:00.000Z") + ended).toISOString() } as never,
  });

  it("goes from the arrival to the charge in the ledger, without a gap that nobody explains", () => {
    const failed = attempt({ outcome: "timeout", began_milliseconds: 20, first_byte_milliseconds: null });
    const { steps, total } = timelineOf(receipt([failed, attempt({ began_milliseconds: 430 })], 825));
    expect(steps.map(({ kind, number, start, milliseconds }) => [kind, number, start, milliseconds])).toEqual([
      ["admission", 0, 0, 20],
      ["attempt", 1, 20, 400],
      ["attempt", 2, 430, 400],
      ["firstByte", 2, 430, 150],
      ["stream", 2, 580, 250],
      ["settle", 0, 830, 15],
    ]);
    expect(total).toBe(845);
  });

  it("of before beginnings were recorded has its attempts one after the other", () => {
    const old = attempt({ began_milliseconds: null });
    const { steps, total } = timelineOf(receipt([old, old], 900));
    expect(steps.map((step) => [step.kind, step.start])).toEqual([
      ["attempt", 0],
      ["firstByte", 0],
      ["stream", 150],
      ["attempt", 400],
      ["firstByte", 400],
      ["stream", 550],
    ]);
    expect(total).toBe(900);
  });

  it("is never shorter than its calls, whatever two clocks say", () => {
    const { steps, total } = timelineOf(receipt([attempt({ began_milliseconds: 10 })], 100));
    expect(total).toBe(410);
    expect(steps.at(-1)).toMatchObject({ kind: "settle", milliseconds: 0 });
  });
});
