import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicPricesRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "prices",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicPricesRoutes = [publicPricesRoute] as const;
