import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import type { operations } from "~/api/schema";
import type { Figure, Point, Series } from "~/kit/Chart";
import { addAmounts, plotted } from "~/lib/format";

export type UsageQuery = NonNullable<operations["getUsage"]["parameters"]["query"]>;
export type Usage = Schema["UsageView"];
export type Sums = Schema["UsageSums"];
export type Measure = keyof Sums;

export const usageQuery = (query: UsageQuery) =>
  queryOptions({
    queryKey: ["get", "/api/reports/usage", query],
    queryFn: () => data(api.GET("/api/reports/usage", { params: { query } })),
  });

/** Usage over time, the former figures staying until the new ones are there. */
export function useUsage(query: UsageQuery, options: { enabled?: boolean; refetchInterval?: number | false } = {}) {
  return useQuery({
    ...usageQuery(query),
    placeholderData: keepPreviousData,
    enabled: options.enabled,
    refetchInterval: options.refetchInterval,
  });
}

type TopQuery = NonNullable<operations["getTopList"]["parameters"]["query"]>;

export const topQuery = (query: TopQuery) =>
  queryOptions({
    queryKey: ["get", "/api/reports/top", query],
    queryFn: () => data(api.GET("/api/reports/top", { params: { query } })),
  });

/** One group of a list, without time. */
export function useTop(query: TopQuery, options: { enabled?: boolean; refetchInterval?: number | false } = {}) {
  return useQuery({
    ...topQuery(query),
    placeholderData: keepPreviousData,
    enabled: options.enabled,
    refetchInterval: options.refetchInterval,
  });
}

const isPartial = (bucket: Schema["BucketView"], now: number) => Date.parse(bucket.ends_at) >= now - 60_000;

const plus = (one: Figure | undefined, other: Figure): Figure =>
  one === undefined || one === null
    ? other
    : other === null
      ? one
      : typeof one === "string" && typeof other === "string"
        ? addAmounts(one, other)
        : Number(one) + Number(other);

/** The dimensions that usage is grouped by. */
export const DIMENSIONS = [
  "tenant",
  "user",
  "token",
  "model_asked",
  "model_routed",
  "model_billed",
  "channel",
  "vendor",
  "tag",
] as const;
export type Dimension = (typeof DIMENSIONS)[number];

const BETWEEN_KEYS = "\u001f";

/** One text for what a row is grouped by, and the parts of it again. */
export const joinedKey = (keys: Record<string, string>, dimensions: readonly string[]): string =>
  dimensions.map((each) => keys[each] ?? "").join(BETWEEN_KEYS);
export const splitKey = (key: string): string[] => key.split(BETWEEN_KEYS);

/** Filters of a report, by the API's names for them. */
export type UsageFilters = Pick<
  UsageQuery,
  | "tenant_id"
  | "user_id"
  | "token_id"
  | "model_asked"
  | "model_routed"
  | "model_billed"
  | "channel_id"
  | "vendor"
  | "tag"
>;

/**
 * Whether the API has the figures in days of UTC only, if they are of more than a week: over all tenants, sums by the
 * hour are kept by tenant, and by model and channel.
 */
export function isByDaysOfUtc(filters: UsageFilters, by: readonly Dimension[]): boolean {
  if (filters.tenant_id !== undefined && filters.tenant_id !== null) return false;
  const names = new Set<string>(by);
  for (const [name, value] of Object.entries(filters)) if (value !== undefined) names.add(name.replace(/_id$/, ""));
  if (names.delete("vendor")) names.add("channel");
  const all = [...names];
  return !(
    all.every((each) => each === "tenant") || all.every((each) => each.startsWith("model_") || each === "channel")
  );
}

/**
 * Points for a chart: one series for each value of a dimension, or of several together (`joinedKey`); `figure` says what
 * is drawn of it. A bucket without a row is nothing used, and so is drawn as zero; a `figure` that gives null stays a gap.
 */
export function groupedPoints(
  usage: Usage,
  dimension: string | readonly string[],
  figure: (sums: Sums) => Figure,
  zero: Figure = 0,
  now = Date.now(),
): { points: Point[]; keys: string[] } {
  const dimensions = typeof dimension === "string" ? [dimension] : dimension;
  const keys: string[] = [];
  const points: Point[] = usage.buckets.map((bucket) => ({
    at: bucket.starts_at,
    partial: isPartial(bucket, now),
    values: {},
  }));
  for (const row of usage.rows) {
    const key = joinedKey(row.keys, dimensions);
    // Refusals have rows, too, which nothing is drawn of.
    if (!plotted(figure(row.sums))) continue;
    if (!keys.includes(key)) keys.push(key);
    const point = points[row.bucket];
    if (point) point.values[key] = plus(point.values[key], figure(row.sums));
  }
  for (const point of points) for (const key of keys) if (point.values[key] === undefined) point.values[key] = zero;
  return { points, keys };
}

/** Points for a chart of several figures of the same rows: tokens by kind, requests with errors. */
export function measuredPoints(
  usage: Usage,
  measures: Record<string, (sums: Sums) => Figure>,
  zero: Figure = 0,
  now = Date.now(),
): Point[] {
  const points: Point[] = usage.buckets.map((bucket) => ({
    at: bucket.starts_at,
    partial: isPartial(bucket, now),
    values: Object.fromEntries(Object.keys(measures).map((key) => [key, zero])),
  }));
  for (const row of usage.rows) {
    const point = points[row.bucket];
    if (!point) continue;
    for (const [key, measure] of Object.entries(measures))
      point.values[key] = zero === null ? measure(row.sums) : plus(point.values[key], measure(row.sums));
  }
  return points;
}

/** Sums over all rows of a report. */
export function totals(usage: Usage | undefined) {
  const sum = (measure: (sums: Sums) => number) =>
    (usage?.rows ?? []).reduce((total, row) => total + measure(row.sums), 0);
  // Cost and margin are for some only: either all rows have them or none has.
  const amount = (measure: (sums: Sums) => string | null) => {
    const amounts = (usage?.rows ?? []).map((row) => measure(row.sums));
    return amounts.every((each) => each !== null) ? addAmounts(...amounts) : null;
  };
  return {
    charged: addAmounts(...(usage?.rows ?? []).map((row) => row.sums.charged)),
    cost: amount((each) => each.cost),
    margin: amount((each) => each.margin),
    requests: sum((each) => each.requests),
    failures: sum((each) => each.voids + each.expired),
    refusals: sum((each) => each.refusals),
    input: sum(
      (each) => each.input_tokens + each.cached_input_tokens + each.cache_write_tokens + each.cache_write_1h_tokens,
    ),
    cached: sum((each) => each.cached_input_tokens),
    output: sum((each) => each.output_tokens + each.reasoning_tokens),
  };
}

export const REST = "(rest)";
export const isRest = (key: string): boolean => splitKey(key)[0] === REST;

/** The series of keys, with names; the rest last, in gray. */
export const seriesOf = (keys: string[], nameOf: (key: string) => string): Series[] =>
  [...keys.filter((key) => !isRest(key)), ...keys.filter(isRest)].map((key) => ({
    key,
    label: nameOf(key),
  }));
