import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import type { Point } from "~/kit/Chart";
import type { Bar } from "~/lib/range";

type Row = Schema["LatencyRow"];
type Percentile = "latency_p50" | "latency_p95" | "latency_p99" | "first_byte_p50" | "first_byte_p95";

type Asked = { tenantId: number; model?: string | undefined; bar: Omit<Bar, "change"> };

export function latencyQuery(props: Asked) {
  const { bar } = props;
  const query = {
    tenant_id: props.tenantId,
    model: props.model,
    by: props.model ? "model" : undefined,
    from: bar.from,
    to: bar.to,
    zone: bar.zone,
    bucket: bar.bucket === "minute" ? ("five_minutes" as const) : bar.bucket,
  };
  return queryOptions({
    queryKey: ["get", "/api/reports/latency", query],
    queryFn: () => data(api.GET("/api/reports/latency", { params: { query } })),
  });
}

/** Percentiles over the bar's range; where nothing was asked there is a gap. */
export function useLatency(props: Asked) {
  const found = useQuery({ ...latencyQuery(props), placeholderData: keepPreviousData });
  const points = (...keys: Percentile[]): Point[] => {
    const view = found.data;
    if (!view || view.rows.length === 0) return [];
    const byBucket = new Map<number, Row>(view.rows.map((row) => [row.bucket, row]));
    return view.buckets.map((bucket, index) => ({
      at: bucket.starts_at,
      partial: Date.parse(bucket.ends_at) > Date.now() - 60_000,
      values: Object.fromEntries(keys.map((key) => [key, byBucket.get(index)?.[key] ?? null])),
    }));
  };
  return { query: found, points };
}
