import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantLimitsRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "limits",
  validateSearch: searchOf({
    scope: oneOf("tenant", "user", "token"),
    unit: oneOf("money", "tokens", "requests", "slots"),
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantLimitsRoutes = [tenantLimitsRoute] as const;
