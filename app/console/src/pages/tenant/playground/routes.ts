import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf, text } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantPlaygroundRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "playground",
  validateSearch: searchOf({ model: text, second: text, row: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantPlaygroundRoutes = [tenantPlaygroundRoute] as const;
