import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf, text } from "~/lib/search";
import { tenantRoute } from "~/router/roots";
import { ask } from "./questions";

export const tenantHomeRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "/",
  validateSearch: searchOf({ row: text }),
  loader: ({ params, location }) => ask(Number(params.tenantId), location.search),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantHomeRoutes = [tenantHomeRoute] as const;
