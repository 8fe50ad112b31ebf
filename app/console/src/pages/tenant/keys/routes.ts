import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantKeysRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "keys",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantKeysRoutes = [tenantKeysRoute] as const;
