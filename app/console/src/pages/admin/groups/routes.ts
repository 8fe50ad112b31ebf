import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminGroupsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "groups",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminGroupsRoutes = [adminGroupsRoute] as const;
