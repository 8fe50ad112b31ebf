import type { Schema } from "~/api/client";
import type { Point } from "~/kit/Chart";
import { type Amount, addAmounts, compareAmounts, negateAmount, subtractAmounts } from "~/lib/format";

type Flows = Schema["CreditFlows"];

/** Credit in, credit out and what was left, bucket by bucket. */
export function creditPoints(flows: Flows | undefined, now = Date.now()): Point[] {
  return (flows?.rows ?? []).map((row) => {
    const bucket = flows?.buckets[row.bucket];
    return {
      at: bucket?.starts_at ?? "",
      partial: bucket !== undefined && Date.parse(bucket.ends_at) > now - 60_000,
      values: { inflow: row.inflow, outflow: row.outflow, unspent: row.unspent, owed: row.owed },
    };
  });
}

export type Way = { key: string; amount: Amount };

/** What came and went in the whole range, by the way it took; what requests were charged is one of them. */
export function creditWays(flows: Flows | undefined): Way[] {
  const sums = new Map<string, Amount>();
  const add = (key: string, amount: Amount) => sums.set(key, addAmounts(sums.get(key) ?? "0", amount));
  for (const row of flows?.rows ?? []) {
    for (const way of row.ways) add(way.source || way.kind, way.amount);
    if (compareAmounts(row.charged, "0") !== 0) add("charged", negateAmount(row.charged));
  }
  return [...sums]
    .map(([key, amount]) => ({ key, amount }))
    .sort((one, other) => compareAmounts(other.amount, one.amount));
}

/** The sum of one figure of all buckets. */
export const creditSum = (flows: Flows | undefined, figure: "inflow" | "outflow" | "charged"): Amount =>
  addAmounts("0", ...(flows?.rows ?? []).map((row) => row[figure]));

export type Act = "top_up" | "grant" | "adjust" | "refund";

/** What the wallet will have, if nothing is charged meanwhile: below zero it owes. */
export function afterwards(act: Act, wallet: { balance: Amount; owed: Amount }, amount: Amount): Amount {
  const before = subtractAmounts(wallet.balance, wallet.owed);
  return act === "adjust" ? subtractAmounts(before, amount) : addAmounts(before, amount);
}
