import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantLimitsRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "limits",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantLimitsRoutes = [tenantLimitsRoute] as const;
