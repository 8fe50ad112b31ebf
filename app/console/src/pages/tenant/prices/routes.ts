import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantPricesRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "prices",
  validateSearch: searchOf({
    search: text,
    free: flag,
    per: oneOf("1k", "1m"),
    row: text,
    speed: oneOf("tokens", "firstByte"),
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantPricesRoutes = [tenantPricesRoute] as const;
