import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { adminRoute } from "~/router/roots";
import { liveSearch } from "./questions";

export const adminLiveRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "live",
  validateSearch: liveSearch,
  component: lazyRouteComponent(() => import("./page")),
});

export const adminLiveRoutes = [adminLiveRoute] as const;
