import { describe, expect, it } from "vitest";
import { startI18n } from "~/i18n";
import {
  addAmounts,
  compareAmounts,
  exactMoney,
  isNegative,
  isZero,
  milliseconds,
  money,
  placesOf,
  relative,
  setLocale,
  subtractAmounts,
} from "~/lib/format";
import { instantOf, wallTime } from "~/lib/wallTime";

describe("money", () => {
  it("shows two to six decimals, rounding no whole digit away", () => {
    setLocale("en");
    expect(money("12.5", "USD")).toBe("$12.50");
    expect(money("0.000123456", "USD")).toBe("$0.000123");
    expect(money("-3.1", "CNY")).toBe("-¥3.10");
  });

  it("shows amounts of a column with as many decimals as the longest, and no more than six", () => {
    setLocale("en");
    expect(["1", "0.5"].map((each) => money(each, "USD", placesOf(["1", "0.5"])))).toEqual(["$1.00", "$0.50"]);
    expect(money("10", "USD", placesOf(["10", "9.62142"]))).toBe("$10.00000");
    expect(money("0.1", "USD", placesOf(["0.1", "0.123456789"]))).toBe("$0.100000");
  });

  it("keeps amounts that no float can hold", () => {
    setLocale("en");
    expect(money("9007199254740993.000001", "USD")).toBe("$9,007,199,254,740,993.000001");
    expect(exactMoney("0.100000000000000001", "USD")).toBe("0.100000000000000001 USD");
  });

  it("adds and compares exactly", () => {
    expect(addAmounts("0.1", "0.2")).toBe("0.3");
    expect(addAmounts()).toBe("0");
    expect(subtractAmounts("1", "0.000000001")).toBe("0.999999999");
    expect(subtractAmounts("-0.5", "-0.75")).toBe("0.25");
    expect(compareAmounts("0.10", "0.1")).toBe(0);
    expect(compareAmounts("-2", "1.5")).toBe(-1);
  });

  it("knows zero and what is below it", () => {
    expect(["0", "0.00", "-0.000"].map(isZero)).toEqual([true, true, true]);
    expect(isZero("0.000000001")).toBe(false);
    expect(isNegative("-0.00")).toBe(false);
    expect(isNegative("-0.01")).toBe(true);
  });
});

describe("times", () => {
  it("are told in the unit that fits", () => {
    setLocale("en");
    expect(milliseconds(840)).toBe("840 ms");
    expect(milliseconds(2400)).toBe("2.4 sec");
    expect(relative("2026-11-30T10:00:00Z", Date.parse("2026-11-30T10:03:00Z"))).toBe("3 minutes ago");
  });

  it("follow the language", async () => {
    await startI18n("zh-CN");
    expect(relative("2026-11-30T10:00:00Z", Date.parse("2026-11-30T10:03:00Z"))).toBe("3分钟前");
    await startI18n("en");
  });

  it("go from a zone's clock to the instant and back, over the change of the hour", () => {
    for (const wall of ["2026-03-29T01:30", "2026-03-29T03:30", "2026-10-25T04:00", "2026-07-01T12:00"])
      expect(wallTime(instantOf(wall, "Europe/Berlin"), "Europe/Berlin")).toBe(wall);
    expect(instantOf("2026-07-01T12:00", "Asia/Shanghai")).toBe("2026-07-01T04:00:00.000Z");
  });
});
