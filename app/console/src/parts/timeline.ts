import type { Schema } from "~/api/client";

type Receipt = Pick<Schema["ReceiptView"], "attempts" | "end"> & { hold: Pick<Schema["ReceiptView"]["hold"], "at"> };
type Attempt = Schema["AttemptView"];

export type TimelineStep = {
  kind: "admission" | "attempt" | "firstByte" | "stream" | "settle";
  /** Of the attempt that it is of; 0 where it is of none. */
  number: number;
  start: number;
  milliseconds: number;
  attempt?: Attempt;
};

/**
 * What a request spent its time on, in milliseconds since it arrived. Receipts from before the beginning of each attempt was
 * recorded have neither admission nor settling: their attempts stand one after the other.
 */
export function timelineOf(receipt: Receipt, now = Date.now()): { steps: TimelineStep[]; total: number } {
  const { attempts, end } = receipt;
  const steps: TimelineStep[] = [];
  const admission = attempts[0]?.began_milliseconds ?? null;
  if (admission !== null) steps.push({ kind: "admission", number: 0, start: 0, milliseconds: admission });
  let at = 0;
  attempts.forEach((attempt, index) => {
    const number = index + 1;
    const start = attempt.began_milliseconds ?? at;
    steps.push({ kind: "attempt", number, start, milliseconds: attempt.latency_milliseconds, attempt });
    const first = attempt.first_byte_milliseconds;
    if (first !== null && attempt.outcome === "completed") {
      steps.push({ kind: "firstByte", number, start, milliseconds: first });
      steps.push({
        kind: "stream",
        number,
        start: start + first,
        milliseconds: Math.max(0, attempt.latency_milliseconds - first),
      });
    }
    at = Math.max(at, start + attempt.latency_milliseconds);
  });
  // From the hold's entry to the last one by the ledger's clock; the calls between them by the node's.
  const recorded = Math.max(0, (end ? Date.parse(end.at) : now) - Date.parse(receipt.hold.at));
  const total = Math.max(at, (admission ?? 0) + recorded);
  if (admission !== null && end) steps.push({ kind: "settle", number: 0, start: at, milliseconds: total - at });
  return { steps, total };
}
