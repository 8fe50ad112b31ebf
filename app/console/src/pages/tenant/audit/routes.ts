import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantAuditRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "audit",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantAuditRoutes = [tenantAuditRoute] as const;
