import { expect, test } from "vitest";
import { isShort, LOOKS_MAX } from "~/api/listing";

const part = (rows: number, searched = true) => ({
  items: Array(rows).fill({}),
  next: "1-1-1-1",
  ...(searched ? { searched_to: "2026-11-30T12:00:00Z" } : {}),
});

test("goes on by itself while a look for what is rare has not filled a part", () => {
  expect(isShort([part(0), part(3)], {})).toBe(true);
  expect(isShort([part(50), part(0)], undefined)).toBe(true);
  expect(isShort([part(8)], { limit: 10 })).toBe(true);
});

test("stops where a part is full, where looks have filled one together, and after many", () => {
  expect(isShort(undefined, {})).toBe(false);
  expect(isShort([part(50)], {})).toBe(false);
  expect(isShort([part(30), part(25)], {})).toBe(false);
  expect(isShort(Array(LOOKS_MAX).fill(part(0)), {})).toBe(false);
});

test("takes a short part of any other list for what it is", () => {
  expect(isShort([part(3, false)], {})).toBe(false);
});
