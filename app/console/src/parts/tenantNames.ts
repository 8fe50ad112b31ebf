import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, data, type Schema } from "~/api/client";

/** Parts of the list that are read for names; more tenants than these are told by their number. */
const PARTS_MAX = 4;

/**
 * The operator's way from ids to names of tenants: by the list, which is a look at none of them (reading each by itself
 * would be written into each tenant's log of looks).
 */
export function useTenantDirectory() {
  const query = useQuery({
    queryKey: ["get", "/api/tenants", "directory"],
    queryFn: async () => {
      const found: Schema["TenantView"][] = [];
      let after: string | undefined;
      for (let part = 0; part < PARTS_MAX; part++) {
        const list = await data(
          api.GET("/api/tenants", { params: { query: { limit: 500, include_archived: true, after } } }),
        );
        found.push(...list.items);
        if (!list.next) break;
        after = list.next;
      }
      return found;
    },
    staleTime: 60_000,
  });
  const tenants = query.data;
  const names = useMemo(() => new Map((tenants ?? []).map((each) => [each.id, each.name])), [tenants]);
  return { tenants: tenants ?? [], nameOf: (id: number | string) => names.get(Number(id)) ?? String(id) };
}
