import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf, text } from "~/lib/search";
import { logFilters } from "~/parts/logSearch";
import { adminRoute } from "~/router/roots";

export const adminRequestsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "requests",
  validateSearch: searchOf({ ...logFilters, row: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminRequestsRoutes = [
  adminRequestsRoute,
  createRoute({
    getParentRoute: () => adminRoute,
    path: "requests/$requestId",
    component: lazyRouteComponent(() => import("./receipt")),
  }),
] as const;
