import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { api, data, type Schema } from "~/api/client";
import { useMay, useMe } from "~/session/session";

/** The tenant whose console this is. */
export const useTenantId = (): number => Number(useParams({ from: "/t/$tenantId" }).tenantId);

/** `const may = useMayHere(); may("own_token:write")`: what may be done in the tenant whose console this is. */
export function useMayHere(): (permission: string) => boolean {
  const tenantId = useTenantId();
  const may = useMay();
  return (permission) => may(permission, tenantId);
}

/** Whether somebody belongs to the tenant, and does not only look at it as an operator. */
export function useIsMember(): boolean {
  const tenantId = useTenantId();
  return useMe().user.memberships.some((each) => each.tenant_id === tenantId);
}

const NO_MEMBERS: Schema["MemberView"][] = [];
const NO_KEYS: Schema["TokenView"][] = [];

/** The people of the tenant, for names beside figures. Five hundred are enough for a list to choose from. */
export function useMembers(tenantId: number) {
  const query = useQuery({
    queryKey: ["get", "/api/tenants/{tenant_id}/members", tenantId, "names"],
    queryFn: async () =>
      (
        await data(
          api.GET("/api/tenants/{tenant_id}/members", {
            params: { path: { tenant_id: tenantId }, query: { limit: 500, sort: "name" } },
          }),
        )
      ).items,
    staleTime: 60_000,
  });
  const members = query.data;
  const names = useMemo(
    () => new Map((members ?? []).map((each: Schema["MemberView"]) => [each.user_id, each.name || each.login])),
    [members],
  );
  return {
    query,
    members: members ?? NO_MEMBERS,
    nameOf: (id: string | null | undefined) => (id && names.get(id)) || id || "",
  };
}

/** The keys of the tenant, revoked ones too, for names beside figures. */
export function useKeys(tenantId: number) {
  const query = useQuery({
    queryKey: ["get", "/api/tokens", tenantId, "names"],
    queryFn: async () =>
      (
        await data(
          api.GET("/api/tokens", {
            params: { query: { tenant_id: tenantId, limit: 500, include_archived: true, sort: "name" } },
          }),
        )
      ).items,
    staleTime: 60_000,
  });
  const keys = query.data;
  const names = useMemo(() => new Map((keys ?? []).map((each: Schema["TokenView"]) => [each.id, each.name])), [keys]);
  return { query, keys: keys ?? NO_KEYS, nameOf: (id: string | null | undefined) => (id && names.get(id)) || id || "" };
}

/** What visitors read: list prices. */
export function usePublicPrices() {
  return useQuery({
    queryKey: ["get", "/api/public/prices"],
    queryFn: () => data(api.GET("/api/public/prices")),
    staleTime: 60_000,
    // Where the operator has closed them, asking again opens nothing.
    retry: false,
  });
}

/** The models that this tenant may ask for, with what they cost it and how they are. */
export function useModels(tenantId: number) {
  return useQuery({
    queryKey: ["get", "/api/tenants/{tenant_id}/models", tenantId],
    queryFn: () => data(api.GET("/api/tenants/{tenant_id}/models", { params: { path: { tenant_id: tenantId } } })),
    staleTime: 60_000,
  });
}

/** The names of the models that a tenant may ask for. */
export function useModelNames(tenantId: number): string[] {
  const models = useModels(tenantId).data;
  return useMemo(() => (models?.items ?? []).map((each) => each.model).sort(), [models]);
}
