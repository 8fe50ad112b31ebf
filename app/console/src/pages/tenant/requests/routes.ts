import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { tenantRoute } from "~/router/roots";
import { requestsSearch } from "./questions";

export const tenantRequestsRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "requests",
  validateSearch: requestsSearch,
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantReceiptRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "requests/$requestId",
  component: lazyRouteComponent(() => import("./receipt")),
});

export const tenantRequestsRoutes = [tenantRequestsRoute, tenantReceiptRoute] as const;
