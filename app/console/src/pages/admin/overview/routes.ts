import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminOverviewRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "overview",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminOverviewRoutes = [adminOverviewRoute] as const;
