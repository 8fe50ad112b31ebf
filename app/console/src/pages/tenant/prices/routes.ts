import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantPricesRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "prices",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantPricesRoutes = [tenantPricesRoute] as const;
