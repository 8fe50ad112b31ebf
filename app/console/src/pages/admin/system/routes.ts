import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminSystemRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "system",
  validateSearch: searchOf({
    tab: oneOf("nodes", "jobs", "database", "licenses"),
    hours: oneOf("1", "6", "24", "48"),
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminSystemRoutes = [adminSystemRoute] as const;
