import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminWalletsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "wallets",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminWalletsRoutes = [adminWalletsRoute] as const;
