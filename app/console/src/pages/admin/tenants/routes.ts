import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminTenantsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "tenants",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminTenantsRoutes = [adminTenantsRoute] as const;
