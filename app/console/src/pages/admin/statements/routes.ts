import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminStatementsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "statements",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminStatementsRoutes = [adminStatementsRoute] as const;
