import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminSettingsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "settings",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminSettingsRoutes = [adminSettingsRoute] as const;
