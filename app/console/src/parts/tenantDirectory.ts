import { queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";

/** Parts of the list that are read for names; more tenants than these are told by their number. */
const PARTS_MAX = 4;

export const tenantDirectory = queryOptions({
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
