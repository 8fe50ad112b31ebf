import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminTenantsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "tenants",
  validateSearch: searchOf({
    search: text,
    user_group: text,
    suspended: flag,
    include_archived: flag,
    sort: oneOf("created_at", "-created_at", "name", "-name", "updated_at", "-updated_at"),
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminTenantRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "tenants/$tenantId",
  validateSearch: searchOf({ tab: oneOf("overview", "members", "keys", "limits", "statements", "looks", "history") }),
  component: lazyRouteComponent(() => import("./tenant")),
});

export const adminTenantsRoutes = [adminTenantsRoute, adminTenantRoute] as const;
