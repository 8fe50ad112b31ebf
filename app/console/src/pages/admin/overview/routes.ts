import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";
import { ask } from "./questions";

export const adminOverviewRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "overview",
  validateSearch: searchOf({}),
  loader: ({ location }) => ask(location.search),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminOverviewRoutes = [adminOverviewRoute] as const;
