import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantMembersRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "members",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantMembersRoutes = [tenantMembersRoute] as const;
