import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminAuditRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "audit",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminAuditRoutes = [adminAuditRoute] as const;
