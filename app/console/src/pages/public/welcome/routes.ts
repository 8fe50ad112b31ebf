import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicWelcomeRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "welcome",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicWelcomeRoutes = [publicWelcomeRoute] as const;
