import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicForgotRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "forgot",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicForgotRoutes = [publicForgotRoute] as const;
