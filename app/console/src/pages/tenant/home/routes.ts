import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf, text } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantHomeRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "/",
  validateSearch: searchOf({ row: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantHomeRoutes = [tenantHomeRoute] as const;
