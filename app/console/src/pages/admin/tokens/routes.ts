import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminTokensRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "tokens",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminTokensRoutes = [adminTokensRoute] as const;
