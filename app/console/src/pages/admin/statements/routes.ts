import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminStatementsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "statements",
  validateSearch: searchOf({ tenant_id: text, period: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminStatementRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "statements/$tenantId/$period",
  component: lazyRouteComponent(() => import("./statement")),
});

export const adminStatementsRoutes = [adminStatementsRoute, adminStatementRoute] as const;
