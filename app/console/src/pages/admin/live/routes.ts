import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf, text } from "~/lib/search";
import { logFilters } from "~/parts/logSearch";
import { adminRoute } from "~/router/roots";

export const adminLiveRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "live",
  validateSearch: searchOf({ ...logFilters, row: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminLiveRoutes = [adminLiveRoute] as const;
