import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicDocsRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "docs",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicDocsRoutes = [publicDocsRoute] as const;
