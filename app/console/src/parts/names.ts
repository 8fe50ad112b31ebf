import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api } from "~/api/client";

/** Parts of a list that are read for names; more things than these are told by their ids. */
const PARTS_MAX = 4;

type Named = { id: string; name?: string; login?: string; type?: string };
type Part = { items: Named[]; next?: string | null };

/**
 * The operator's way from ids to names, by the lists: `useNames("/api/channels")`. With a tenant only what is that
 * tenant's is read, so that all of it is found.
 */
export function useNames(
  path: "/api/channels" | "/api/tokens" | "/api/users",
  options: { tenantId?: number; enabled?: boolean } = {},
) {
  const { tenantId, enabled = true } = options;
  const query = useQuery({
    queryKey: ["get", path, "directory", tenantId],
    queryFn: async () => {
      const get = api.GET as unknown as (path: string, init: unknown) => Promise<{ data: Part }>;
      const found: Named[] = [];
      let after: string | undefined;
      for (let part = 0; part < PARTS_MAX; part++) {
        const asked = { limit: 500, include_archived: true, sort: "name", after, tenant_id: tenantId };
        const { data } = await get(path, { params: { query: asked } });
        found.push(...data.items);
        if (!data.next) break;
        after = data.next;
      }
      return found;
    },
    enabled,
    staleTime: 60_000,
  });
  const items = query.data;
  const names = useMemo(
    () => new Map((items ?? []).map((each) => [each.id, each.name || each.login || each.id])),
    [items],
  );
  const choices = useMemo(() => [...names].map(([value, label]) => ({ value, label })), [names]);
  return { items: items ?? [], nameOf: (id: string) => names.get(id) ?? id, choices };
}
