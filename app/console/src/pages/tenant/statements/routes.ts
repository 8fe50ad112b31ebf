import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantStatementsRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "statements",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantStatementRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "statements/$period",
  component: lazyRouteComponent(() => import("./statement")),
});

export const tenantStatementsRoutes = [tenantStatementsRoute, tenantStatementRoute] as const;
