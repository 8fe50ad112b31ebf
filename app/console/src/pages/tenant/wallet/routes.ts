import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantWalletRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "wallet",
  validateSearch: searchOf({
    kind: oneOf("granted", "redeemed", "lapsed", "adjusted"),
    source: oneOf("top_up", "redemption", "allowance", "adjustment", "refund"),
    grant: text,
    redeem: flag,
    top_up: flag,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantWalletRoutes = [tenantWalletRoute] as const;
