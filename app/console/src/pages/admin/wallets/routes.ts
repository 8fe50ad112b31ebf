import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf, text, whole } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminWalletsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "wallets",
  validateSearch: searchOf({
    tenant: whole,
    kind: oneOf("granted", "redeemed", "lapsed", "adjusted"),
    source: oneOf("top_up", "redemption", "allowance", "adjustment", "refund"),
    grant: text,
    at: text,
    act: oneOf("top_up", "grant", "adjust", "refund"),
    request: text,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminWalletsRoutes = [adminWalletsRoute] as const;
