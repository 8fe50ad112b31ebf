import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf, text } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicStatusRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "status",
  validateSearch: searchOf({ search: text, state: oneOf("up", "degraded", "down", "quiet") }),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicStatusRoutes = [publicStatusRoute] as const;
