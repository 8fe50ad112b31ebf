import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminLimitsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "limits",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminLimitsRoutes = [adminLimitsRoute] as const;
