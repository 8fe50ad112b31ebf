import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantPlaygroundRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "playground",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantPlaygroundRoutes = [tenantPlaygroundRoute] as const;
