import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminRoutingRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "routing",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminRoutingRoutes = [adminRoutingRoute] as const;
