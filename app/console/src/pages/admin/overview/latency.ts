import type { Schema } from "~/api/client";
import type { Point } from "~/kit/Chart";

/** Percentiles by bucket; where nothing was asked there is a gap. */
export function latencyPoints(view: Schema["LatencyView"], now = Date.now()): Point[] {
  if (view.rows.length === 0) return [];
  const rows = new Map(view.rows.map((row) => [row.bucket, row]));
  return view.buckets.map((bucket, index) => {
    const row = rows.get(index);
    return {
      at: bucket.starts_at,
      partial: Date.parse(bucket.ends_at) > now - 60_000,
      values: {
        latency_p50: row?.latency_p50 ?? null,
        latency_p95: row?.latency_p95 ?? null,
        first_byte_p50: row?.first_byte_p50 ?? null,
      },
    };
  });
}
