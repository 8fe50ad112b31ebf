import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantWalletRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "wallet",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantWalletRoutes = [tenantWalletRoute] as const;
