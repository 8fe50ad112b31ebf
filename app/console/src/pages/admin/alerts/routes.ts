import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminAlertsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "alerts",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminAlertsRoutes = [adminAlertsRoute] as const;
