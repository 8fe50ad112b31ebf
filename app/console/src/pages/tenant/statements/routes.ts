import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantStatementsRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "statements",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantStatementsRoutes = [tenantStatementsRoute] as const;
