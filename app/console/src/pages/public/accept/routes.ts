import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicAcceptRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "accept",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicAcceptRoutes = [publicAcceptRoute] as const;
