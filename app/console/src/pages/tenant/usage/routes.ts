import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantUsageRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "usage",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantUsageRoutes = [tenantUsageRoute] as const;
