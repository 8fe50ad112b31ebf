import { describe, expect, it } from "vitest";
import { decimalTimes, percentText } from "~/lib/format";
import { asCode, ask, EMPTY_ANSWER, splitEvents, withEvent } from "~/pages/tenant/playground/chat";
import { budgetsProblem } from "~/parts/Budgets";
import { balancePoints, burnDown, daysLeft } from "~/parts/balance";
import { fullOn } from "~/parts/forecast";
import { bodyOf, changesOf, expiryOf, freshTerms, stateOf, termsOf, termsProblem } from "~/parts/keys/terms";
import { meanPercent } from "~/parts/meanPercent";
import { nanosText } from "~/parts/nanos";
import { inUnit, isFree, scaled } from "~/parts/prices";
import { groupedPoints, type Usage } from "~/parts/usage";
import { answer } from "./render";

describe("the terms of a key", () => {
  const terms = { ...freshTerms("u1"), name: "job" };

  it("are good as they begin, once there is a name", () => {
    expect(termsProblem(freshTerms("u1"))).toBe("name");
    expect(termsProblem(terms)).toBeNull();
    expect(bodyOf(terms)).toMatchObject({ name: "job", models: null, expires_at: null, budgets: [] });
  });

  it("name what is wrong", () => {
    expect(termsProblem({ ...terms, allModels: false })).toBe("models");
    expect(termsProblem({ ...terms, networks: ["anywhere"] })).toBe("network");
    expect(termsProblem({ ...terms, networks: ["203.0.113.0/24", "2001:db8::/32"] })).toBeNull();
    expect(termsProblem({ ...terms, expires: "date", expiresOn: "" })).toBe("date");
    expect(termsProblem({ ...terms, expires: "date", expiresOn: "2020-01-01" })).toBe("past");
    expect(termsProblem({ ...terms, budgets: [{ unit: "money", period: "day", amount: "1,5" }] })).toBe(
      "budget_amount",
    );
  });

  it("end with the day that was chosen", () => {
    const ends = new Date(expiryOf({ ...terms, expires: "date", expiresOn: "2027-02-28" }) ?? "");
    expect([ends.getFullYear(), ends.getMonth(), ends.getDate(), ends.getHours()]).toEqual([2027, 1, 28, 23]);
    expect(expiryOf({ ...terms, expires: "30" }, 0)).toBe("1970-01-31T00:00:00.000Z");
  });

  it("are sent only as far as they were changed, so that an expiry stays what it was to the second", () => {
    const key = { ...terms, expires: "date" as const, expiresOn: "2030-01-02" };
    expect(changesOf(key, { ...key, tags: ["x"] })).toEqual({ tags: ["x"] });
    expect(changesOf(key, { ...key, expires: "never" })).toEqual({ expires_at: null });
    expect(changesOf(key, key)).toEqual({});
  });

  it("survive the way through a form", () => {
    const key = {
      archived: false,
      budgets: [{ unit: "tokens", period: "month", amount: "1000" }],
      cache_seconds: 5,
      expires_at: null,
      limits: { requests_per_minute: 3 },
      models: ["a"],
      name: "job",
      networks: [],
      revoked: false,
      tags: ["x"],
    } as unknown as Parameters<typeof termsOf>[0];
    expect(bodyOf(termsOf(key))).toMatchObject({ models: ["a"], cache_seconds: 5, tags: ["x"], budgets: key.budgets });
    expect(stateOf(key)).toBe("active");
    expect(stateOf({ ...key, expires_at: "2020-01-01T00:00:00Z" })).toBe("expired");
    expect(stateOf({ ...key, revoked: true })).toBe("revoked");
  });
});

describe("budgets", () => {
  it("are amounts, tokens whole, and one of each kind", () => {
    const day = { unit: "money", period: "day", amount: "2.50" } as const;
    expect(budgetsProblem([day])).toBeNull();
    expect(budgetsProblem([day, day])).toBe("twice");
    expect(budgetsProblem([{ ...day, unit: "tokens" }])).toBe("whole");
    expect(budgetsProblem([{ ...day, amount: "-1" }])).toBe("amount");
  });

  it("are told to be used up only within their window, and not from its first minutes", () => {
    const use = {
      period: "day",
      used: "6",
      held: "0",
      limit: "10",
      ends_at: "2026-11-30T24:00:00Z",
      used_permille: 600,
    } as const;
    const noon = Date.parse("2026-11-30T12:00:00Z");
    expect(fullOn(use, noon)).toBe("2026-11-30T20:00:00.000Z");
    expect(fullOn({ ...use, used: "2" }, noon)).toBeNull();
    expect(fullOn(use, Date.parse("2026-11-30T00:10:00Z"))).toBeNull();
    expect(fullOn({ ...use, period: "total", ends_at: null }, noon)).toBeNull();
  });
});

describe("prices", () => {
  it("move the point exactly, and are scaled in every tier", () => {
    expect(decimalTimes("0.15", "0.9")).toBe("0.135");
    expect(decimalTimes("3", "0.001")).toBe("0.003");
    expect(decimalTimes("100", "1")).toBe("100");
    expect(inUnit("2.5", "1k")).toBe("0.0025");
    const price = {
      input: "3",
      output: "15",
      context_tokens_max: 200_000,
      per_image_by: { hd: "0.08" },
      tiers: [{ input_tokens_from: 100_000, input: "6" }],
    };
    expect(scaled(price, "0.9")).toEqual({
      input: "2.7",
      output: "13.5",
      context_tokens_max: 200_000,
      per_image_by: { hd: "0.072" },
      tiers: [{ input_tokens_from: 100_000, input: "5.4" }],
    });
  });

  it("are free only if that is meant", () => {
    expect(isFree({ free: true })).toBe(true);
    expect(isFree({ input: "0", output: "1" })).toBe(false);
    expect(isFree({ per_call: "1" })).toBe(false);
  });

  it("show nano-units with every digit", () => {
    expect(nanosText("124500")).toBe("0.0001245");
    expect(nanosText("-1500000000")).toBe("-1.5");
    expect(nanosText("0.5")).toBe("0.0000000005");
    expect(nanosText("1/3")).toBe("1/3 × 10⁻⁹");
    expect(nanosText("0")).toBe("0");
  });
});

describe("credit over time", () => {
  it("lasts as long as the last days say", () => {
    expect(daysLeft("10", ["1", "1", "2", "0"])).toBe(10);
    expect(daysLeft("10", ["0", "0"])).toBeNull();
    expect(daysLeft("0", ["1"])).toBeNull();
  });

  it("is below zero while the tenant owes, and its forecast joins the line", () => {
    const flows = {
      currency: "USD",
      zone: "UTC",
      buckets: [{ starts_at: "2026-11-29T00:00:00Z", ends_at: "2026-11-30T00:00:00Z" }],
      rows: [{ bucket: 0, inflow: "0", outflow: "1", charged: "1", ways: [], unspent: "0", owed: "2.5" }],
    };
    const points = balancePoints(flows, Date.parse("2026-12-01T00:00:00Z"));
    expect(points[0]?.values.balance).toBe("-2.5");
    expect(burnDown(points, null)).toBe(points);
    expect(burnDown([{ at: "a", values: { balance: "4" } }], 2)).toHaveLength(3);
  });

  it("leaves out of a chart what nothing can be drawn of", () => {
    const sums = { charged: "0.1" };
    const usage = {
      buckets: [
        { starts_at: "2026-11-29T00:00:00Z", ends_at: "2026-11-30T00:00:00Z" },
        { starts_at: "2026-11-30T00:00:00Z", ends_at: "2026-12-01T00:00:00Z" },
      ],
      rows: [
        { bucket: 0, keys: { token: "a" }, sums },
        { bucket: 0, keys: { token: "a" }, sums: { charged: "0.2" } },
        { bucket: 1, keys: { token: "" }, sums: { charged: "0" } },
      ],
    } as unknown as Usage;
    const { points, keys } = groupedPoints(
      usage,
      "token",
      (each) => each.charged,
      "0",
      Date.parse("2026-11-30T12:00:00Z"),
    );
    expect(keys).toEqual(["a"]);
    expect(points.map((point) => point.values.a)).toEqual(["0.3", "0"]);
    expect(points.map((point) => point.partial)).toEqual([false, true]);
  });

  it("means days alike, and rounds no failure away", () => {
    expect(meanPercent(["100", null, "99.999"])).toBe("99.99");
    expect(meanPercent([null])).toBeNull();
    expect(percentText("99.95")).toBe("99.95 %");
  });
});

describe("the playground", () => {
  it("reads events however they are cut", () => {
    const first = splitEvents('data: {"choices":[{"delta":{"content":"He');
    expect(first.events).toEqual([]);
    const second = splitEvents(`${first.rest}llo"}}]}\r\n\r\ndata: [DONE]\n`);
    expect(second.events).toHaveLength(2);
    const whole = second.events.reduce((sum, event) => withEvent(sum, event, 12), EMPTY_ANSWER);
    expect(whole).toMatchObject({ text: "Hello", firstMilliseconds: 12 });
  });

  it("takes usage, and an error in the middle of an answer", () => {
    const used = withEvent(EMPTY_ANSWER, '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}', 1);
    expect(used).toMatchObject({ input: 3, output: 4, firstMilliseconds: null });
    expect(withEvent(used, '{"error":{"message":"broke off"}}', 2)).toMatchObject({
      state: "failed",
      problem: "broke off",
    });
  });

  it("asks for one key, however many models are asked at once", async () => {
    const requests = answer({
      "POST /api/tenants/7/playground-key": { secret: "sk-play", expires_at: "2999-01-01T00:00:00Z", token: {} },
      "POST /v1/chat/completions": () => new Response("data: [DONE]\n\n"),
    });
    const asked = { model: "m", messages: [] };
    const { signal } = new AbortController();
    await Promise.all([ask(7, asked, signal, () => {}), ask(7, asked, signal, () => {})]);
    await ask(7, asked, signal, () => {});
    const paths = requests.map((request) => new URL(request.url).pathname);
    expect(paths.filter((path) => path.endsWith("/playground-key"))).toHaveLength(1);
  });

  it("gives the same request as code, quotes and all", () => {
    const code = asCode({ model: "m", messages: [{ role: "user", content: "it's" }], temperature: 0.5 });
    expect(code.curl).toContain("it'\\''s");
    expect(code.python).toContain('"content": "it\'s"');
    expect(code.python).toContain("temperature=0.5");
  });
});
