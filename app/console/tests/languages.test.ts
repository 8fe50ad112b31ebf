import { describe, expect, it } from "vitest";
import en from "~/i18n/en";
import zh from "~/i18n/zh";

const keysOf = (tree: object, path = ""): string[] =>
  Object.entries(tree).flatMap(([key, value]) =>
    typeof value === "string" ? [`${path}${key}`] : keysOf(value as object, `${path}${key}.`),
  );

const textsOf = (tree: object, path = ""): [string, string][] =>
  Object.entries(tree).flatMap(([key, value]): [string, string][] =>
    typeof value === "string" ? [[`${path}${key}`, value]] : textsOf(value as object, `${path}${key}.`),
  );

const placeholders = (text: string): string[] =>
  [...text.matchAll(/{{\s*(\w+)/g)].map((match) => match[1] ?? "").sort();

describe("the languages", () => {
  it("hold the same keys", () => {
    expect(keysOf(zh).sort()).toEqual(keysOf(en).sort());
  });

  it("fill in the same values", () => {
    const chinese = new Map(textsOf(zh));
    const differing = textsOf(en).filter(
      ([key, text]) => String(placeholders(text)) !== String(placeholders(chinese.get(key) ?? "")),
    );
    expect(differing).toEqual([]);
  });

  it("leave no text empty that the other language has", () => {
    const chinese = new Map(textsOf(zh));
    const empty = textsOf(en).filter(([key, text]) => (text === "") !== (chinese.get(key) === ""));
    expect(empty).toEqual([]);
  });
});
