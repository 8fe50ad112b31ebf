import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminUsageRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "usage",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminUsageRoutes = [adminUsageRoute] as const;
