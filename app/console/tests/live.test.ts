import { expect, test, vi } from "vitest";
import { LATENCY_ENDS, LiveLog, ROWS_MAX } from "~/pages/admin/live/liveLog";
import { splitRows } from "~/pages/admin/live/stream";
import type { LogRow } from "~/parts/log";

const row = (n: number, more: Partial<LogRow> = {}): LogRow =>
  ({
    id: `${n}`,
    at: "2026-11-30T12:00:00Z",
    state: "captured",
    count: 1,
    latency_milliseconds: 300,
    ...more,
  }) as LogRow;

function frames() {
  const waiting: FrameRequestCallback[] = [];
  vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => waiting.push(callback));
  return { waiting, run: () => void waiting.splice(0).map((each) => each(0)) };
}

test("shows rows that came in one frame at once, the newest first, each once", () => {
  const frame = frames();
  const log = new LiveLog();
  let told = 0;
  log.subscribe(() => told++);
  log.push([row(1), row(2)]);
  log.push([row(2), row(3, { state: "refused" })]);
  expect([frame.waiting.length, log.snapshot().rows.length]).toEqual([1, 0]);
  frame.run();
  expect(told).toBe(1);
  expect(log.snapshot().rows.map((each) => each.id)).toEqual(["3", "2", "1"]);
  expect([log.snapshot().total, log.snapshot().failed, log.last]).toEqual([3, 1, "3"]);
});

test("keeps no more rows than it says, and counts all", () => {
  const frame = frames();
  const log = new LiveLog();
  log.push(Array.from({ length: ROWS_MAX + 10 }, (_, n) => row(n)));
  frame.run();
  expect([log.snapshot().rows.length, log.snapshot().total]).toEqual([ROWS_MAX, ROWS_MAX + 10]);
  expect(log.snapshot().rows[0]?.id).toBe(`${ROWS_MAX + 9}`);
});

test("counts durations by class, and requests by the second in which they ended", () => {
  frames();
  const log = new LiveLog();
  log.push([
    row(1),
    row(2, { latency_milliseconds: 99 }),
    row(3, { latency_milliseconds: 60_000 }),
    row(4, { count: 5 }),
  ]);
  const histogram = log.histogram();
  expect([histogram[0], histogram[2], histogram[LATENCY_ENDS.length]]).toEqual([1, 2, 1]);
  const rate = log.rate(Date.parse("2026-11-30T12:00:01Z"));
  expect(rate.at(-1)).toBe(8);
  expect(rate.slice(0, -1).every((each) => each === 0)).toBe(true);
});

test("reads events however the network cuts them, and passes over what is none", () => {
  const whole = 'retry: 1000\n\n: still here\n\nid: 1\nevent: request\ndata: {"id":"1"}\n\n';
  let rest = "";
  const found: string[] = [];
  for (const part of [whole.slice(0, 40), whole.slice(40, 61), whole.slice(61)]) {
    const split = splitRows(rest + part);
    rest = split.rest;
    found.push(...split.rows.map((each) => each.id));
  }
  expect([found, rest]).toEqual([["1"], ""]);
});

test("stands still while it is paused, counts what comes, and goes on with all of it", () => {
  const frame = frames();
  const log = new LiveLog();
  log.push([row(1)]);
  frame.run();
  log.pause(true);
  log.push([row(2), row(3, { state: "refused" })]);
  frame.run();
  expect([log.snapshot().total, log.behind()]).toEqual([1, 2]);
  log.pause(false);
  expect(log.snapshot().rows.map((each) => each.id)).toEqual(["3", "2", "1"]);
  expect([log.snapshot().failed, log.behind()]).toEqual([1, 0]);
});
