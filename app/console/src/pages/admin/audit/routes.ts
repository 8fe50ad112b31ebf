import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminAuditRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "audit",
  validateSearch: searchOf({
    kind: text,
    action: text,
    actor: text,
    tenant: text,
    entity: text,
    row: text,
    tab: oneOf("change", "state"),
    at: text,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminAuditRoutes = [adminAuditRoute] as const;
