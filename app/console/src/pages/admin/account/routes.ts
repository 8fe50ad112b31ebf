import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminAccountRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "account",
  validateSearch: searchOf({ panel: oneOf("token") }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminAccountRoutes = [adminAccountRoute] as const;
