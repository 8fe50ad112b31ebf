import { queryOptions, useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { api, data, queryClient, type Schema } from "~/api/client";
import { ApiProblem } from "~/api/problem";
import { setHomeZone } from "~/lib/format";

export type Me = Schema["Me"];

/** Whom the API takes this browser for; null is nobody. */
export const meQuery = queryOptions({
  queryKey: ["get", "/api/me"],
  queryFn: async (): Promise<Me | null> => {
    try {
      return await data(api.GET("/api/me"));
    } catch (thrown) {
      if (thrown instanceof ApiProblem && thrown.status === 401) return null;
      throw thrown;
    }
  },
  staleTime: 60_000,
});

/** What the server wrote into the page: whom it takes this browser for, known before the first request. */
function presetMe(): void {
  const text = document.getElementById("me")?.textContent ?? "";
  if (text !== "null" && !text.startsWith("{")) return;
  const me = JSON.parse(text) as Me | null;
  queryClient.setQueryData(meQuery.queryKey, me);
  setHomeZone(me?.user.time_zone ?? "");
}
presetMe();

/** Who is logged in, as far as that is known without asking. */
export const knownMe = (): Me | null => queryClient.getQueryData(meQuery.queryKey) ?? null;

export const loadMe = (): Promise<Me | null> => queryClient.ensureQueryData(meQuery);

/** Who is logged in; a page of a console has somebody. */
export function useMe(): Me {
  const me = useQuery(meQuery).data;
  // Whoever signs out is nobody a moment before the page is another one: it is shown to its end as theirs.
  const last = useRef(me);
  if (me) last.current = me;
  if (!last.current) throw new Error("Nobody is logged in.");
  return last.current;
}

export const useMaybeMe = (): Me | null => useQuery(meQuery).data ?? null;

export const isOperator = (me: Me): boolean => me.user.platform_role !== null;

/** What may be done on the platform, and in a tenant. The platform's permissions count in every tenant. */
export function may(me: Me, permission: string, tenantId?: number): boolean {
  if (me.platform_permissions.includes(permission)) return true;
  return tenantId !== undefined && (me.tenant_permissions[String(tenantId)] ?? []).includes(permission);
}

/** `const may = useMay()`; `may("tenant:write", tenantId)`. */
export function useMay(): (permission: string, tenantId?: number) => boolean {
  const me = useMaybeMe();
  return (permission, tenantId) => me !== null && may(me, permission, tenantId);
}

/** Where somebody starts. */
export function homeOf(me: Me): string {
  if (isOperator(me)) return "/admin/overview";
  const first = me.user.memberships[0];
  return first ? `/t/${first.tenant_id}` : "/";
}

export async function logIn(login: string, password: string): Promise<Me | null> {
  const before = queryClient.getQueryData(meQuery.queryKey);
  const session = await data(api.POST("/api/login", { body: { login, password } }));
  // What one person has read is not for the next one.
  if (before && before.user.id !== session.user.id) queryClient.clear();
  return queryClient.fetchQuery({ ...meQuery, staleTime: 0 });
}

export async function logOut(): Promise<void> {
  await api.POST("/api/logout");
  queryClient.clear();
  queryClient.setQueryData(meQuery.queryKey, null);
}

export async function changePassword(current: string, next: string): Promise<void> {
  await api.POST("/api/password", { body: { current, new: next } });
  await queryClient.fetchQuery({ ...meQuery, staleTime: 0 });
}

export async function stepUp(password: string): Promise<void> {
  await api.POST("/api/step-up", { body: { password } });
  void queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
}
