import { api, data, queryClient, type Schema } from "~/api/client";
import type { Tone } from "~/kit/Status";

export type User = Schema["UserView"];
export type Membership = User["memberships"][number];

export const PLATFORM_ROLES = ["root", "admin", "auditor", "support"] as const;
export const TENANT_ROLES = ["owner", "admin", "member", "billing", "viewer"] as const;

export type UserState = "active" | "waiting" | "disabled" | "archived";

export const TONES: Record<UserState, Tone> = { active: "good", waiting: "warn", disabled: "bad", archived: "quiet" };

export function stateOf(user: Pick<User, "archived" | "disabled" | "must_change_password">): UserState {
  if (user.archived) return "archived";
  if (user.disabled) return "disabled";
  return user.must_change_password ? "waiting" : "active";
}

export const readUser = (id: string): Promise<User> =>
  data(api.GET("/api/users/{user_id}", { params: { path: { user_id: id } } }));

export const usersChanged = (): void => {
  const one = "/api/users/{user_id}";
  for (const path of ["/api/users", one, `${one}/history`, `${one}/sessions`])
    void queryClient.invalidateQueries({ queryKey: ["get", path] });
};

// Without characters that are taken for one another when they are read aloud or typed from paper.
const LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/** A first password of twenty characters, from the browser's source of randomness: 116 bits. */
export function firstPassword(
  random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array = (b) => crypto.getRandomValues(b),
): string {
  let made = "";
  while (made.length < 20) {
    for (const byte of random(new Uint8Array(40))) {
      // Bytes beyond the last whole multiple would make some characters likelier.
      if (byte < 256 - (256 % LETTERS.length) && made.length < 20) made += LETTERS[byte % LETTERS.length];
    }
  }
  return made;
}
