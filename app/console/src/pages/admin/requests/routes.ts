import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminRequestsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "requests",
  validateSearch: searchOf({}),
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
