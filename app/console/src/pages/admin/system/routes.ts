import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminSystemRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "system",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminSystemRoutes = [adminSystemRoute] as const;
