import { expect, it } from "vitest";
import { patiently } from "~/lib/patiently";

const failing = (times: number) => {
  let tries = 0;
  return {
    load: async () => {
      tries++;
      if (tries <= times) throw new TypeError("Failed to fetch dynamically imported module");
      return "loaded";
    },
    tries: () => tries,
  };
};

it("loads a part again while the line is down, and does without it in the end", async () => {
  const once = failing(1);
  expect(await patiently(once.load, "without", [1, 1])).toBe("loaded");
  expect(once.tries()).toBe(2);

  const always = failing(9);
  expect(await patiently(always.load, "without", [1, 1])).toBe("without");
  expect(always.tries()).toBe(3);
});
