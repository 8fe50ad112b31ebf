import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantHomeRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "/",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantHomeRoutes = [tenantHomeRoute] as const;
