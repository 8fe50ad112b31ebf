import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicSignUpRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "sign-up",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicSignUpRoutes = [publicSignUpRoute] as const;
