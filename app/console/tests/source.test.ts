import { describe, expect, it } from "vitest";
import { floatAmounts, literalTexts, unseenRefusals } from "./checks";

const ROOT = "../src/";

const texts = import.meta.glob<string>(["../src/**/*.{ts,tsx}", "!../**/*.d.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
});
const files = Object.entries(texts).map(([path, text]) => ({ name: path.slice(ROOT.length), text }));

describe("the source", () => {
  it("holds no text that people read outside of the language files", () => {
    const components = files.filter(({ name }) => name.endsWith(".tsx"));
    expect(components.length).toBeGreaterThan(50);
    expect(components.flatMap(({ name, text }) => literalTexts(name, text))).toEqual([]);
  });

  it("makes no amount a number", () => {
    // `plotted` makes heights of them; `whole` reads parameters of a URL.
    const spared = new Set(["lib/format.ts", "lib/search.ts"]);
    const read = files.filter(({ name }) => !spared.has(name));
    expect(read.flatMap(({ name, text }) => floatAmounts(name, text))).toEqual([]);
  });

  it("shows every refusal of what a button or form asks for", () => {
    const components = files.filter(({ name }) => name.endsWith(".tsx"));
    expect(components.flatMap(({ name, text }) => unseenRefusals(name, text))).toEqual([]);
  });
});

describe("the checks themselves", () => {
  it.each([
    ["<p>Hello</p>"],
    ['<TextInput label="Name" />'],
    ['<p>{open ? "Open" : t("closed")}</p>'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text.
    ["<p title={`Page ${n}`} />"],
    ['const column = { header: "Name" };'],
  ])("find the text in %s", (text) => {
    expect(literalTexts("a.tsx", text)).toHaveLength(1);
  });

  it.each([["<p>{t('x')}</p>"], ["<Kbd>g</Kbd>"], ["<code>curl</code>"], ['<a href="https://a.example">–</a>']])(
    "find none in %s",
    (text) => {
      expect(literalTexts("a.tsx", text)).toEqual([]);
    },
  );

  it.each([["Number(row.charged)"], ["parseFloat(balance)"], ["+row.sums.cost"], ["Number(sums?.margin ?? 0)"]])(
    "find the amount made a number in %s",
    (text) => {
      expect(floatAmounts("a.ts", text)).toHaveLength(1);
    },
  );

  it.each([
    ["const a = <Button onClick={() => api.DELETE('/x')} />;"],
    ["const save = async () => { await api.POST('/x'); }; const a = <Button onClick={save} />;"],
    ["const save = () => api.POST('/x'); const a = <><Form onSubmit={save} /><Button onClick={save} /></>;"],
    ["const run = (what) => what(); const a = <Button onClick={() => run(() => api.PUT('/x'))} />;"],
  ])("find the refusal that nobody sees in %s", (text) => {
    expect(unseenRefusals("a.tsx", text)).toHaveLength(1);
  });

  it.each([
    ["const a = <Form onSubmit={() => api.DELETE('/x')} />;"],
    ["const save = async () => { try { await api.POST('/x'); } catch (e) { setProblem(e); } };"],
    ["const save = () => api.POST('/x'); const a = <Form onSubmit={save} />;"],
    ["const a = <Button onClick={() => act(() => api.PUT('/x'))} />;"],
    ["const run = (what) => what().catch(show); const a = <Button onClick={() => run(() => api.PUT('/x'))} />;"],
    ["api.POST('/x').then(done, show);"],
  ])("find none in %s", (text) => {
    expect(unseenRefusals("a.tsx", text)).toEqual([]);
  });
});
