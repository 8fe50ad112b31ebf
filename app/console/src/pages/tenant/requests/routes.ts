import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantRequestsRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "requests",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantRequestsRoutes = [tenantRequestsRoute] as const;
