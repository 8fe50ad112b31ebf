import { createRootRoute, createRoute, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { withTexts } from "~/i18n";
import { barSearch } from "~/lib/range";
import { homeOf, isOperator, loadMe, type Me } from "~/session/session";
import { NotFound, RouteFailure } from "~/shell/Failures";
import { RootFrame } from "~/shell/RootFrame";

export const rootRoute = createRootRoute({
  component: RootFrame,
  notFoundComponent: NotFound,
  errorComponent: RouteFailure,
});

/** Somebody who may be in a console; whoever is not logged in, or has a first password, is sent to the login. */
async function somebody(href: string): Promise<Me> {
  const me = await loadMe();
  if (!me || me.user.must_change_password) throw redirect({ to: "/login", search: { next: href } });
  return me;
}

export const publicRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "public",
  beforeLoad: async () => {
    await loadMe();
  },
  component: lazyRouteComponent(() => import("~/shell/PublicFrame")),
});

export const adminRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "admin",
  validateSearch: barSearch,
  beforeLoad: async ({ location }) => {
    const me = await somebody(location.href);
    if (!isOperator(me)) throw redirect({ to: homeOf(me) });
    await withTexts("admin");
  },
  component: lazyRouteComponent(() => import("~/shell/AdminFrame")),
});

export const adminIndexRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/admin/overview" });
  },
});

export const tenantRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "t/$tenantId",
  validateSearch: barSearch,
  beforeLoad: async ({ location }) => {
    await somebody(location.href);
    await withTexts("tenant");
  },
  component: lazyRouteComponent(() => import("~/shell/TenantFrame")),
});
