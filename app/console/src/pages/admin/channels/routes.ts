import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminChannelsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "channels",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminChannelsRoutes = [adminChannelsRoute] as const;
