import { challengedFetch } from "~/api/client";
import { type ApiProblem, asProblem, problemOf } from "~/api/problem";
import type { LogRow } from "~/parts/log";

/** The whole events that a stream brought so far, and what is left of the last one. */
export function splitRows(buffer: string): { rows: LogRow[]; rest: string } {
  const blocks = buffer.split("\n\n");
  const rest = blocks.pop() ?? "";
  const rows = blocks.flatMap((block) => {
    const lines = block.split("\n");
    if (!lines.includes("event: request")) return [];
    const body = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
    return [JSON.parse(body.join("\n")) as LogRow];
  });
  return { rows, rest };
}

export type Connection = "connecting" | "live" | "lost" | "refused";

const WAIT_MAX = 30_000;

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Follow the log until the signal ends it. The server closes a stream after a while, and networks fail: it is opened
 * again after the last row that came, so that none is left out.
 */
export async function follow(options: {
  url: string;
  /** The id of the last row that is there already. */
  last: () => string | undefined;
  signal: AbortSignal;
  onRows: (rows: LogRow[]) => void;
  onState: (state: Connection, problem?: ApiProblem) => void;
}): Promise<void> {
  const { url, last, signal, onRows, onState } = options;
  let wait = 1000;
  onState("connecting");
  while (!signal.aborted) {
    try {
      const since = last();
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (since) headers["last-event-id"] = since;
      const response = await challengedFetch(new Request(url, { headers, signal }));
      if (!response.ok || !response.body) throw await problemOf(response);
      onState("live");
      wait = 1000;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = "", part = await reader.read(); !part.done; part = await reader.read()) {
        const split = splitRows(rest + part.value);
        rest = split.rest;
        if (split.rows.length) onRows(split.rows);
      }
    } catch (thrown) {
      if (signal.aborted) return;
      const problem = asProblem(thrown);
      // What is wrong with the question stays wrong: only what passes is tried again.
      if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
        onState("refused", problem);
        return;
      }
      onState("lost", problem);
      await pause(problem.retryAfterSeconds ? problem.retryAfterSeconds * 1000 : wait, signal);
      wait = Math.min(WAIT_MAX, wait * 2);
    }
  }
}
