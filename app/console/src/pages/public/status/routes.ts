import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicStatusRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "status",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicStatusRoutes = [publicStatusRoute] as const;
