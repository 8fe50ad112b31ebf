import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminGroupsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "groups",
  /** `cell` is the multiplier whose history is shown. */
  validateSearch: searchOf({ cell: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminGroupsRoutes = [adminGroupsRoute] as const;
