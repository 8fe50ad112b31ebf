import { describe, expect, it } from "vitest";
import { firstPassword, stateOf } from "~/pages/admin/users/user";

describe("a first password", () => {
  it("has twenty characters that are not taken for one another, and is another each time", () => {
    const made = new Set(Array.from({ length: 50 }, () => firstPassword()));
    expect(made.size).toBe(50);
    for (const each of made) expect(each).toMatch(/^[a-km-np-zA-HJ-NP-Z2-9]{20}$/);
  });

  it("leaves out bytes that would make some characters likelier", () => {
    let round = 0;
    const password = firstPassword((bytes) => bytes.fill(round++ === 0 ? 255 : 0));
    expect(password).toBe("a".repeat(20));
  });
});

describe("a person", () => {
  const user = { archived: false, disabled: false, must_change_password: false };

  it.each([
    [{}, "active"],
    [{ must_change_password: true }, "waiting"],
    [{ must_change_password: true, disabled: true }, "disabled"],
    [{ disabled: true, archived: true }, "archived"],
  ])("%j is %s", (change, state) => {
    expect(stateOf({ ...user, ...change })).toBe(state);
  });
});
