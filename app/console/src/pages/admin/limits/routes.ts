import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminLimitsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "limits",
  validateSearch: searchOf({
    tenant: text,
    scope: oneOf("tenant", "user", "token"),
    unit: oneOf("money", "tokens", "requests", "slots"),
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminLimitsRoutes = [adminLimitsRoute] as const;
