import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, data, queryClient, type Schema } from "~/api/client";
import type { Tone } from "~/kit/Status";
import { decimalTimes } from "~/lib/format";

export type Batch = Schema["BatchView"];

export type BatchState = "open" | "expired" | "revoked" | "archived";

export const TONES: Record<BatchState, Tone> = { open: "good", expired: "quiet", revoked: "bad", archived: "quiet" };

export function stateOf(batch: Pick<Batch, "archived" | "revoked" | "expires_at">, now = Date.now()): BatchState {
  if (batch.archived) return "archived";
  if (batch.revoked) return "revoked";
  return batch.expires_at && Date.parse(batch.expires_at) <= now ? "expired" : "open";
}

/** How often codes of the batch can be redeemed in all. */
export const usesOf = (batch: Pick<Batch, "count" | "uses_per_code">): number => batch.count * batch.uses_per_code;

/** What the batch is worth if every code is redeemed as often as it can be. */
export const worthOf = (batch: Pick<Batch, "amount" | "count" | "uses_per_code">): string =>
  decimalTimes(batch.amount, String(usesOf(batch)));

/** What can still be redeemed of a batch, by what was so far; all of it where that is not known. */
export function leftOf(batch: Batch, redeemed?: { uses: number }): { uses: number; worth: string } {
  const uses = Math.max(0, usesOf(batch) - (redeemed?.uses ?? 0));
  return { uses, worth: decimalTimes(batch.amount, String(uses)) };
}

export type Redeemed = Schema["RedeemedView"];

const NOTHING = { uses: 0, amount: "0", tenants: 0, last_at: null };

/** What was redeemed of batches so far, asked for in one call for a whole list; undefined until that is known. */
export function useRedeemed(
  ids: readonly string[],
  options: { refetchInterval?: number } = {},
): (id: string) => Omit<Redeemed, "batch_id" | "last_at"> | undefined {
  const batchIds = [...ids].sort().slice(0, 500).join(",");
  const found = useQuery({
    queryKey: ["get", "/api/code-batches/redeemed", batchIds],
    queryFn: async () =>
      (await data(api.GET("/api/code-batches/redeemed", { params: { query: { batch_ids: batchIds } } }))).items,
    enabled: ids.length > 0,
    placeholderData: keepPreviousData,
    ...options,
  }).data;
  return (id) => found && (found.find((each) => each.batch_id === id) ?? NOTHING);
}

export const batchesChanged = (): void => {
  for (const path of ["/api/code-batches", "/api/code-batches/{batch_id}", "/api/code-batches/{batch_id}/history"])
    void queryClient.invalidateQueries({ queryKey: ["get", path] });
};
