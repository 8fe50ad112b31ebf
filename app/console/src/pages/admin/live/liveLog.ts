import type { LogRow } from "~/parts/log";

/** Rows that are kept; older ones are in the log, which can be searched. */
export const ROWS_MAX = 2000;
/** Seconds that the line of the rate goes back. */
export const RATE_SECONDS = 60;
/** Where the classes of the histogram end, in milliseconds; the last one has no end. */
export const LATENCY_ENDS = [100, 250, 500, 1000, 2000, 5000, 10_000, 30_000] as const;

export type Shown = {
  /** The newest first. */
  rows: readonly LogRow[];
  /** How many came since the filter was set, and how many of them did not succeed. */
  total: number;
  failed: number;
};

const NONE: Shown = { rows: [], total: 0, failed: 0 };

/**
 * The log as it grows. However many rows come, they are shown once in a frame of the screen, and no more than
 * `ROWS_MAX` are kept: also while nothing is drawn, in a tab that nobody looks at.
 */
export class LiveLog {
  private shown: Shown = NONE;
  private waiting: LogRow[] = [];
  private total = 0;
  private failed = 0;
  private known = new Set<string>();
  private frame: number | null = null;
  private paused = false;
  private listeners = new Set<() => void>();
  private perSecond = new Map<number, number>();
  private latencies: number[] = Array(LATENCY_ENDS.length + 1).fill(0);
  /** The newest row that came: where to go on. */
  last: string | undefined;

  /** Rows in the order in which they were written. */
  push(rows: readonly LogRow[]): void {
    for (const row of rows) {
      this.last = row.id;
      if (this.known.has(row.id)) continue;
      this.known.add(row.id);
      this.waiting.push(row);
      this.total++;
      if (row.state !== "captured") this.failed++;
      const second = Math.floor(Date.parse(row.at) / 1000);
      this.perSecond.set(second, (this.perSecond.get(second) ?? 0) + row.count);
      if (row.latency_milliseconds !== null) {
        const at = LATENCY_ENDS.findIndex((end) => (row.latency_milliseconds as number) < end);
        const index = at < 0 ? LATENCY_ENDS.length : at;
        this.latencies[index] = (this.latencies[index] ?? 0) + 1;
      }
    }
    if (this.waiting.length > 2 * ROWS_MAX) this.forget(this.waiting.splice(0, this.waiting.length - ROWS_MAX));
    if (this.waiting.length && this.frame === null) this.frame = requestAnimationFrame(this.flush);
  }

  private flush = (): void => {
    this.frame = null;
    if (this.paused) {
      this.tell();
      return;
    }
    const fresh = this.waiting.reverse();
    this.waiting = [];
    const rows = [...fresh, ...this.shown.rows];
    this.forget(rows.splice(ROWS_MAX));
    this.shown = { rows, total: this.total, failed: this.failed };
    const oldest = Math.floor(Date.now() / 1000) - 2 * RATE_SECONDS;
    for (const second of this.perSecond.keys()) if (second < oldest) this.perSecond.delete(second);
    this.tell();
  };

  private tell(): void {
    for (const listener of this.listeners) listener();
  }

  private forget(rows: readonly LogRow[]): void {
    for (const row of rows) this.known.delete(row.id);
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): Shown => this.shown;

  /** How many came while the log stands still. */
  behind = (): number => this.total - this.shown.total;

  /** Let what is shown stand still, or go on with all that came meanwhile. */
  pause(paused: boolean): void {
    this.paused = paused;
    if (!paused) this.flush();
  }

  /** Requests of each of the last seconds that are over, the oldest first. */
  rate(now: number = Date.now()): number[] {
    const end = Math.floor(now / 1000);
    return Array.from({ length: RATE_SECONDS }, (_, index) => this.perSecond.get(end - RATE_SECONDS + index) ?? 0);
  }

  /** How many requests took how long, by `LATENCY_ENDS`. */
  histogram(): readonly number[] {
    return [...this.latencies];
  }
}
