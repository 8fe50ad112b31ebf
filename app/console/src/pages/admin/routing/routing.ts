import { useQuery } from "@tanstack/react-query";
import { api, data, queryClient, type Schema } from "~/api/client";
import type { Point } from "~/kit/Chart";
import { useGroups } from "~/parts/groups";
import type { Usage } from "~/parts/usage";

export type Channel = Schema["ChannelView"];
export type Mapping = Schema["MappingView"];
export type Policy = Schema["RoutingPolicyView"];

export const MODES = ["weighted", "cheapest", "fastest", "least_busy", "sticky"] as const;

type Part<T> = { items: T[]; next?: string | null };

/** All parts of a list: routing is read as a whole, or it says nothing. */
async function every<T>(read: (after: string | undefined) => Promise<Part<T>>): Promise<T[]> {
  const found: T[] = [];
  let after: string | undefined;
  do {
    const part = await read(after);
    found.push(...part.items);
    after = part.next ?? undefined;
  } while (after !== undefined);
  return found;
}

export const useChannels = () =>
  useQuery({
    queryKey: ["get", "/api/channels", "all"],
    queryFn: () =>
      every((after) => data(api.GET("/api/channels", { params: { query: { limit: 500, after, sort: "name" } } }))),
  });

export const useMappings = () =>
  useQuery({
    queryKey: ["get", "/api/mappings", "all"],
    queryFn: () => every((after) => data(api.GET("/api/mappings", { params: { query: { limit: 500, after } } }))),
  });

export const usePolicies = () =>
  useQuery({
    queryKey: ["get", "/api/routing/policies", "all"],
    queryFn: () =>
      every((after) => data(api.GET("/api/routing/policies", { params: { query: { limit: 500, after } } }))),
  });

export const readPolicy = (id: string): Promise<Policy> =>
  data(api.GET("/api/routing/policies/{policy_id}", { params: { path: { policy_id: id } } }));

export const readMapping = (id: string): Promise<Mapping> =>
  data(api.GET("/api/mappings/{mapping_id}", { params: { path: { mapping_id: id } } }));

/** After a change: lists, and every decision, are read again. */
export function routingChanged(): void {
  for (const path of ["/api/mappings", "/api/routing/policies", "/api/routing/explain"])
    void queryClient.invalidateQueries({ queryKey: ["get", path] });
}

/** The names of groups of a side that there are. */
export function useGroupNames(side: "user" | "channel"): string[] {
  return [...new Set(["default", ...useGroups(side)])];
}

export type Serving = { channel: Channel; routed: string };

export type PublicModel = {
  model: string;
  /** What the name leads to for everybody; itself if it is no other name. */
  target: string;
  serving: Serving[];
  /** Other names of it. */
  aliases: string[];
  policy: Policy | null;
  /** Policies of tenants and groups that come before it. */
  special: number;
};

/** Every name that clients may ask for, with the channels that serve it: the highest priority first. */
export function publicModels(channels: Channel[], mappings: Mapping[], policies: Policy[]): PublicModel[] {
  const serving = new Map<string, Serving[]>();
  for (const channel of channels)
    for (const model of new Set([...channel.models, ...Object.keys(channel.model_map)])) {
      const list = serving.get(model) ?? [];
      list.push({ channel, routed: channel.model_map[model] ?? model });
      serving.set(model, list);
    }
  const leading = mappings.filter((each) => each.enabled && each.tenant_id === null);
  const names = [...new Set([...serving.keys(), ...leading.map((each) => each.model)])].sort((one, other) =>
    one.localeCompare(other),
  );
  return names.map((model) => {
    const target = leading.find((each) => each.model === model)?.target ?? model;
    const enabled = policies.filter((each) => each.enabled && (each.model === model || each.model === ""));
    const general = enabled.filter((each) => each.tenant_id === null && each.user_group === "");
    return {
      model,
      target,
      serving: [...(serving.get(target) ?? [])].sort(
        (one, other) =>
          other.channel.priority - one.channel.priority ||
          other.channel.weight - one.channel.weight ||
          one.channel.name.localeCompare(other.channel.name),
      ),
      aliases: leading.filter((each) => each.target === model).map((each) => each.model),
      policy: general.find((each) => each.model === model) ?? general[0] ?? null,
      special: enabled.length - general.length,
    };
  });
}

/** Shares of a bucket's requests by a dimension; a bucket without any is a gap. */
export function sharePoints(usage: Usage, dimension: string, now = Date.now()): { points: Point[]; keys: string[] } {
  const keys: string[] = [];
  const sums = usage.buckets.map(() => new Map<string, number>());
  for (const row of usage.rows) {
    const key = row.keys[dimension] ?? "";
    const bucket = sums[row.bucket];
    if (!key || !bucket || row.sums.requests === 0) continue;
    if (!keys.includes(key)) keys.push(key);
    bucket.set(key, (bucket.get(key) ?? 0) + row.sums.requests);
  }
  const points = usage.buckets.map((bucket, index): Point => {
    const here = sums[index] ?? new Map<string, number>();
    const total = [...here.values()].reduce((sum, each) => sum + each, 0);
    return {
      at: bucket.starts_at,
      partial: Date.parse(bucket.ends_at) >= now - 60_000,
      values: Object.fromEntries(keys.map((key) => [key, total === 0 ? null : (here.get(key) ?? 0) / total])),
    };
  });
  return { points: keys.length ? points : [], keys };
}
