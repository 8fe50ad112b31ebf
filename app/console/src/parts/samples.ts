import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import type { Point } from "~/kit/Chart";

export type Sample = Schema["SampleView"];

/** How nodes were over the last hours. */
export const useSamples = (hours: number, enabled = true) =>
  useQuery({
    queryKey: ["get", "/api/system/samples", hours],
    queryFn: () => data(api.GET("/api/system/samples", { params: { query: { hours } } })),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
    enabled,
  });

/** Points of one figure, a series for each node; what a node did not say is a gap. */
export function samplePoints(rows: Sample[], figure: (row: Sample) => number): { points: Point[]; nodes: string[] } {
  const nodes = [...new Set(rows.map((row) => row.node))];
  const byTime = new Map<string, Point>();
  for (const row of rows) {
    const point = byTime.get(row.at) ?? { at: row.at, values: Object.fromEntries(nodes.map((node) => [node, null])) };
    point.values[row.node] = figure(row);
    byTime.set(row.at, point);
  }
  return { points: [...byTime.values()], nodes };
}
