import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, searchOf, text } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantMembersRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "members",
  validateSearch: searchOf({ search: text, row: text, invite: flag }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantMembersRoutes = [tenantMembersRoute] as const;
