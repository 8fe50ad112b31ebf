import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminLiveRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "live",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminLiveRoutes = [adminLiveRoute] as const;
