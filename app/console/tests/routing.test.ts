import { describe, expect, it } from "vitest";
import { armsProblem } from "~/pages/admin/routing/PolicyForm";
import { readPasted } from "~/pages/admin/routing/question";
import { type Channel, type Mapping, type Policy, publicModels, sharePoints } from "~/pages/admin/routing/routing";
import type { Usage } from "~/parts/usage";

describe("a pasted request", () => {
  it("is read from a JSON body", () => {
    const body = {
      model: "aurora-large",
      messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }] }],
      tools: [{ type: "function" }],
      max_completion_tokens: 64,
      user: "u-7",
    };
    expect(readPasted(JSON.stringify(body))).toMatchObject({
      model: "aurora-large",
      surface: "chat",
      needs: ["tools", "images"],
      output: 64,
      user: "u-7",
    });
  });

  it("is read from a curl command, whose address says what it is and whose quotes are a shell's", () => {
    const command = `curl https://x.example/v1/embeddings -d '{"model": "e", "input": "it'\\''s"}'`;
    expect(readPasted(command)).toMatchObject({ model: "e", surface: "embeddings", prompt: 1 });
  });

  it("counts a Chinese sign as a token and four letters as one", () => {
    expect(readPasted('{"model": "m", "input": "账本是什么"}')?.prompt).toBe(5);
    expect(readPasted('{"model": "m", "input": "abcdefgh"}')?.prompt).toBe(2);
  });

  it.each(["", "hello", "{", '{"messages": []}', '{"model": 7}'])("is nothing where no model is named: %s", (text) => {
    expect(readPasted(text)).toBeNull();
  });
});

const channel = (id: string, priority: number, models: string[], model_map: Record<string, string> = {}) =>
  ({ id, name: id, priority, weight: 100, enabled: true, models, model_map }) as unknown as Channel;
const policy = (name: string, part: Partial<Policy>) =>
  ({ id: name, name, enabled: true, model: "", user_group: "", tenant_id: null, ...part }) as unknown as Policy;
const mapping = (model: string, target: string, tenant_id: number | null = null) =>
  ({ model, target, tenant_id, enabled: true }) as unknown as Mapping;

describe("the public models", () => {
  const channels = [channel("low", 0, ["a"]), channel("high", 5, [], { a: "a-2026" })];

  it("have their channels by priority, with the vendor's name", () => {
    const [model] = publicModels(channels, [], []);
    expect(model?.serving.map(({ channel: { id }, routed }) => [id, routed])).toEqual([
      ["high", "a-2026"],
      ["low", "a"],
    ]);
  });

  it("are other names, too, but not those of one tenant", () => {
    const found = publicModels(channels, [mapping("best", "a"), mapping("own", "a", 7)], []);
    expect(found.map((each) => [each.model, each.target, each.serving.length])).toEqual([
      ["a", "a", 2],
      ["best", "a", 2],
    ]);
    expect(found[0]?.aliases).toEqual(["best"]);
  });

  it("fall under the policy for them before that for all", () => {
    const policies = [policy("all", {}), policy("one", { model: "a" }), policy("tenant", { tenant_id: 7 })];
    const [model] = publicModels(channels, [], policies);
    expect([model?.policy?.name, model?.special]).toEqual(["one", 1]);
  });
});

it("shares of a bucket come to one, and an empty bucket is a gap", () => {
  const bucket = (hour: number) => ({
    starts_at: `2026-01-01T0${hour}:00:00Z`,
    ends_at: `2026-01-01T0${hour + 1}:00:00Z`,
  });
  const row = (index: number, key: string, requests: number) => ({
    bucket: index,
    keys: { channel: key },
    sums: { requests },
  });
  const usage = { buckets: [bucket(0), bucket(1)], rows: [row(0, "x", 3), row(0, "y", 1)] } as unknown as Usage;
  const { points, keys } = sharePoints(usage, "channel");
  expect(keys).toEqual(["x", "y"]);
  expect(points.map((point) => point.values)).toEqual([
    { x: 0.75, y: 0.25 },
    { x: null, y: null },
  ]);
});

describe("the arms of an experiment", () => {
  const arm = (name: string, share: number) => ({ key: name, name, share, model: "", groups: [] });
  it.each([
    [[], null],
    [[arm("a", 1)], "armSingle"],
    [[arm("A b", 1), arm("b", 1)], "armName"],
    [[arm("a", 1), arm("a", 1)], "armTwice"],
    [[arm("a", 0), arm("b", 0)], "armShares"],
    [[arm("a", 0), arm("b", 1)], null],
  ])("are looked at before they are sent: %j", (arms, problem) => {
    expect(armsProblem(arms)).toBe(problem);
  });
});
