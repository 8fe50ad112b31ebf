import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf, text } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantAuditRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "audit",
  validateSearch: searchOf({ tab: oneOf("changes", "looks"), kind: text, action: text, actor: text, row: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantAuditRoutes = [tenantAuditRoute] as const;
