import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf, several, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminUsageRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "usage",
  validateSearch: searchOf({
    by: several,
    tenant_id: text,
    user_id: text,
    token_id: text,
    model_asked: text,
    model_routed: text,
    channel_id: text,
    vendor: text,
    tag: text,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminUsageRoutes = [adminUsageRoute] as const;
