import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminPricesRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "prices",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminPricesRoutes = [adminPricesRoute] as const;
