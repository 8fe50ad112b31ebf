import { describe, expect, it } from "vitest";
import { linksOf, linksText } from "~/pages/admin/settings/links";

describe("the links of the bar", () => {
  it("are read from the setting, and written as it wants them", () => {
    const text = '[{"label":"Terms","url":"https://a.example/terms"}]';
    expect(linksText(linksOf(text))).toBe(text);
  });

  it.each(["", "nonsense", "{}", "[1]", '[{"label":3,"url":"x"}]'])("are none in %j", (text) => {
    expect(linksOf(text)).toEqual([]);
  });

  it("leave out lines that nobody filled, and spaces around", () => {
    const links = [
      { label: " Help ", url: " https://a.example " },
      { label: "", url: " " },
    ];
    expect(linksText(links)).toBe('[{"label":"Help","url":"https://a.example"}]');
  });
});
