import { queryClient, type Schema } from "~/api/client";
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

export const batchesChanged = (): void => {
  for (const path of ["/api/code-batches", "/api/code-batches/{batch_id}", "/api/code-batches/{batch_id}/history"])
    void queryClient.invalidateQueries({ queryKey: ["get", path] });
};
