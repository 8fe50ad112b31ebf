import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";

/** The names of the groups of a side, as policies, channels and tenants refer to them. */
export function useGroups(side: "user" | "channel"): string[] {
  const found = useQuery({
    queryKey: ["get", "/api/groups", side],
    queryFn: () => data(api.GET("/api/groups", { params: { query: { side, limit: 500 } } })),
  });
  return (found.data?.items ?? []).map((each) => each.label);
}
