import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf, text } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantUsageRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "usage",
  validateSearch: searchOf({
    by: oneOf("model_billed", "token", "user", "tag"),
    model_billed: text,
    token_id: text,
    user_id: text,
    tag: text,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantUsageRoutes = [tenantUsageRoute] as const;
