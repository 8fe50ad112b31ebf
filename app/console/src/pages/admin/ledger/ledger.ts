import { useQueryClient } from "@tanstack/react-query";
import type { Schema } from "~/api/client";
import type { Tone } from "~/kit/Status";

export type Health = Schema["LedgerHealthView"];
export type Run = Schema["RunView"];

/** Read everything of the books again, after something was started or ended. */
export function useReread(): () => void {
  const client = useQueryClient();
  return () =>
    void client.invalidateQueries({
      predicate: ({ queryKey }) => typeof queryKey[1] === "string" && queryKey[1].startsWith("/api/ledger/"),
    });
}

/** How far a run is, from 0 to 1; of what it has not counted yet nothing is known. */
export const shareOf = (done: number, total: number): number | null => (total > 0 ? Math.min(1, done / total) : null);

/** What the last verification says of the books. */
export function verdict(health: Pick<Health, "verification">): { state: "never" | "sound" | "broken"; tone: Tone } {
  const last = health.verification;
  if (!last) return { state: "never", tone: "warn" };
  return last.clean ? { state: "sound", tone: "good" } : { state: "broken", tone: "bad" };
}

export type CheckState = "held" | "broken" | "unchecked";

export const stateOfCheck = (check: Schema["CheckView"]): CheckState =>
  check.findings === null || check.checked_at === null ? "unchecked" : check.findings > 0 ? "broken" : "held";

export const RUN_TONES: Record<Run["state"], Tone> = {
  running: "info",
  done: "good",
  failed: "bad",
  cancelled: "quiet",
  lost: "warn",
};
