import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicHomeRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "/",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicHomeRoutes = [publicHomeRoute] as const;
