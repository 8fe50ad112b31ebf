import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantSettingsRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "settings",
  validateSearch: searchOf({ panel: oneOf("edit", "history", "token") }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantSettingsRoutes = [tenantSettingsRoute] as const;
