import { describe, expect, it } from "vitest";
import { priceOf, valuesOf } from "~/pages/admin/prices/PriceEditor";
import { changedModels, isPrice, samePrice, withPrice, wrongPrices } from "~/pages/admin/prices/prices";
import { modelPoints } from "~/pages/admin/prices/WhatIf";
import { type CardSummary, cardAt } from "~/parts/cards";

const card = (id: string, effective_from: string, part: Partial<CardSummary> = {}) =>
  ({ id, effective_from, published: true, archived: false, card_version: 1, ...part }) as CardSummary;

describe("the card in force", () => {
  const now = Date.parse("2026-06-01T00:00:00Z");
  it("is the published one that became effective last", () => {
    const cards = [
      card("old", "2026-01-01T00:00:00Z"),
      card("now", "2026-05-01T00:00:00Z"),
      card("coming", "2026-07-01T00:00:00Z"),
      card("draft", "2026-05-20T00:00:00Z", { published: false }),
    ];
    expect(cardAt(cards, now)?.id).toBe("now");
  });

  it("is none where none is published", () => {
    expect(cardAt([card("draft", "2026-05-20T00:00:00Z", { published: false })], now)).toBeUndefined();
  });
});

describe("prices that are typed", () => {
  it.each([
    ["", true],
    ["0.15", true],
    ["12", true],
    ["1,5", false],
    ["-1", false],
    ["1e3", false],
    [".5", false],
  ])("are digits and one point: %s", (typed, good) => {
    expect(isPrice(typed)).toBe(good);
  });

  it("stay text to the last digit, and are taken away when emptied", () => {
    const prices = withPrice({ a: { input: "1" } }, "a", "output", "0.12345678901234567890");
    expect(prices.a).toEqual({ input: "1", output: "0.12345678901234567890" });
    expect(withPrice(prices, "a", "input", "").a).toEqual({ output: "0.12345678901234567890" });
  });

  it("are counted as changes by what they say, not by how it is written", () => {
    expect(samePrice({ input: "1", output: null }, { input: "1", free: false, tiers: [] })).toBe(true);
    expect(changedModels({ a: { input: "1" }, gone: {} }, { a: { input: "2" }, fresh: {} })).toEqual([
      "a",
      "fresh",
      "gone",
    ]);
    expect(wrongPrices({ good: { input: "1" }, bad: { output: "1x" } })).toEqual(["bad"]);
  });

  it("go through the form of all prices unchanged", () => {
    const price = {
      input: "1",
      per_image_by: { "1024x1024/hd": "0.08" },
      tiers: [{ input_tokens_from: 200000, input: "2", output: "9" }],
      context_tokens_max: 400000,
      free: false,
    };
    expect(samePrice(priceOf(valuesOf(price)), price)).toBe(true);
  });
});

it("a what-if by model adds up tenants exactly, and leaves out what has no price", () => {
  const row = (model: string, charged: string, rerated: string | null) => ({
    model,
    charged,
    rerated,
    difference: null,
    requests: 1,
    tenant_id: 1,
  });
  const rows = [row("a", "0.1", "0.2"), row("a", "0.2", "0.4"), row("b", "5", "1"), row("c", "9", null)];
  expect(modelPoints(rows)).toEqual([
    { at: "b", values: { charged: "5", rerated: "1" } },
    { at: "a", values: { charged: "0.3", rerated: "0.6" } },
  ]);
});
