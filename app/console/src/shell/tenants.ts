import { queryOptions, useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import { useMaybeMe } from "~/session/session";

/** The names of one's own tenants. The platform's people read a tenant's name where they look at it. */
export function useTenantNames(): Map<number, string> {
  const me = useMaybeMe();
  const memberships = me?.user.memberships ?? [];
  const own = useQuery({
    queryKey: ["get", "/api/tenants", "names", memberships.map((each) => each.tenant_id)],
    queryFn: async () => (await data(api.GET("/api/tenants", { params: { query: { limit: 500 } } }))).items,
    enabled: memberships.length > 0 && me?.user.platform_role === null && !me.user.must_change_password,
    staleTime: 300_000,
  });
  return new Map((own.data ?? []).map((tenant: Schema["TenantView"]) => [tenant.id, tenant.name]));
}

export const tenantQuery = (tenantId: number) =>
  queryOptions({
    queryKey: ["get", "/api/tenants/{tenant_id}", tenantId],
    queryFn: () => data(api.GET("/api/tenants/{tenant_id}", { params: { path: { tenant_id: tenantId } } })),
    staleTime: 60_000,
  });

/** A tenant, for a page of its console. */
export const useTenant = (tenantId: number) => useQuery(tenantQuery(tenantId));
