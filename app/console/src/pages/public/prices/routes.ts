import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicPricesRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "prices",
  validateSearch: searchOf({ search: text, free: flag, per: oneOf("1k", "1m"), row: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicPricesRoutes = [publicPricesRoute] as const;
