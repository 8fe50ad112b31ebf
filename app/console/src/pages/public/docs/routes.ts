import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf, text } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicDocsRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "docs",
  validateSearch: searchOf({ section: oneOf("endpoints", "errors", "limits", "billing"), search: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicDocsRoutes = [publicDocsRoute] as const;
