import { queryOptions } from "@tanstack/react-query";
import { api, data, queryClient } from "~/api/client";
import { type Bar, type BarSearch, barOf, DEFAULT_RANGE } from "~/lib/span";
import { tenantDirectory } from "~/parts/tenantDirectory";
import { topQuery, usageQuery } from "~/parts/usage";
import { knownMe, may } from "~/session/session";

/** What the page asks over the range of the bar. */
export function questions(bar: Omit<Bar, "change">) {
  const range = { from: bar.from, to: bar.to };
  const pulse = {
    ...range,
    zone: bar.zone,
    bucket: bar.bucket === "minute" ? ("five_minutes" as const) : bar.bucket,
  };
  return {
    overview: queryOptions({
      queryKey: ["get", "/api/reports/overview", range],
      queryFn: () => data(api.GET("/api/reports/overview", { params: { query: range } })),
    }),
    latency: queryOptions({
      queryKey: ["get", "/api/reports/latency", pulse],
      queryFn: () => data(api.GET("/api/reports/latency", { params: { query: pulse } })),
    }),
    usage: { ...range, zone: bar.zone, bucket: bar.bucket, by: "vendor", top: 8 },
    top: { ...range, by: "tenant" as const, limit: 10 },
  };
}

/** Ask before the page is drawn, so that both take their time at once. */
export function ask(search: BarSearch): void {
  const me = knownMe();
  if (!me || !may(me, "report:read")) return;
  const { overview, latency, usage, top } = questions(barOf(search, DEFAULT_RANGE));
  void queryClient.prefetchQuery(overview);
  void queryClient.prefetchQuery(usageQuery(usage));
  void queryClient.prefetchQuery(topQuery(top));
  void queryClient.prefetchQuery(latency);
  void queryClient.prefetchQuery(tenantDirectory);
}
