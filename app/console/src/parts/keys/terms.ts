import type { Schema } from "~/api/client";
import { type Budget, budgetsProblem, type Limits } from "~/parts/Budgets";

export type Terms = {
  name: string;
  userId: string;
  expires: "never" | "30" | "90" | "365" | "date";
  expiresOn: string;
  allModels: boolean;
  models: string[];
  limits: Limits;
  budgets: Budget[];
  networks: string[];
  tags: string[];
  cacheSeconds: number;
};

export const freshTerms = (userId: string): Terms => ({
  name: "",
  userId,
  expires: "never",
  expiresOn: "",
  allModels: true,
  models: [],
  limits: {},
  budgets: [],
  networks: [],
  tags: [],
  cacheSeconds: 0,
});

/** The terms of a key as a form shows them; its expiry as a day in the browser's zone. */
export function termsOf(key: Schema["TokenView"]): Terms {
  return {
    name: key.name,
    userId: key.user_id,
    expires: key.expires_at ? "date" : "never",
    expiresOn: key.expires_at ? localDay(new Date(key.expires_at)) : "",
    allModels: key.models === null,
    models: (key.models ?? []) as string[],
    limits: key.limits,
    budgets: [...key.budgets],
    networks: [...key.networks],
    tags: [...key.tags],
    cacheSeconds: key.cache_seconds,
  };
}

const localDay = (at: Date): string =>
  `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;

/** When a key ends: at the end of the day that was chosen. Null: never. */
export function expiryOf(terms: Terms, now: number = Date.now()): string | null {
  if (terms.expires === "never") return null;
  if (terms.expires !== "date") return new Date(now + Number(terms.expires) * 86_400_000).toISOString();
  const [year = 1970, month = 1, day = 1] = terms.expiresOn.split("-").map(Number);
  return new Date(year, month - 1, day, 23, 59, 59).toISOString();
}

export type TermsProblem = "name" | "date" | "past" | "models" | "network" | `budget_${"amount" | "whole" | "twice"}`;

const NETWORK = /^([\d.]+|[\da-f:]+)(\/\d{1,3})?$/i;

/** The first thing that is wrong with terms, or null; what is subtler the API says. */
export function termsProblem(terms: Terms, now: number = Date.now()): TermsProblem | null {
  if (!terms.name.trim()) return "name";
  if (terms.expires === "date") {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(terms.expiresOn)) return "date";
    if (Date.parse(expiryOf(terms) ?? "") <= now) return "past";
  }
  if (!terms.allModels && terms.models.length === 0) return "models";
  if (!terms.networks.every((each) => NETWORK.test(each.trim()))) return "network";
  const budget = budgetsProblem(terms.budgets);
  return budget ? `budget_${budget}` : null;
}

/** What the API takes for terms, but for the owner. */
export function bodyOf(terms: Terms) {
  return {
    name: terms.name.trim(),
    expires_at: expiryOf(terms),
    models: terms.allModels ? null : terms.models,
    limits: terms.limits,
    budgets: terms.budgets.map((each) => ({ ...each, amount: each.amount.trim() })),
    networks: terms.networks.map((each) => each.trim()),
    tags: terms.tags,
    cache_seconds: terms.cacheSeconds,
  };
}

/** What of the terms is different. The expiry of a key is to the second: what was not touched must not become a day's end. */
export function changesOf(before: Terms, after: Terms): Partial<ReturnType<typeof bodyOf>> {
  const former = bodyOf(before);
  const changed = Object.entries(bodyOf(after)).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(former[key as keyof typeof former]),
  );
  return Object.fromEntries(changed);
}

/** How a key stands. */
export function stateOf(key: Schema["TokenView"], now: number = Date.now()): "active" | "expired" | "revoked" {
  if (key.revoked || key.archived) return "revoked";
  return key.expires_at && Date.parse(key.expires_at) <= now ? "expired" : "active";
}
