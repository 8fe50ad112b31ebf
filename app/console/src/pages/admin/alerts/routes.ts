import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminAlertsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "alerts",
  validateSearch: searchOf({ tab: oneOf("past", "deliveries", "sinks"), sink: text, failed: flag, row: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminAlertsRoutes = [adminAlertsRoute] as const;
