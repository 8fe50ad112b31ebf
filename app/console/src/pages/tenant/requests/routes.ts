import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text, whole } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantRequestsRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "requests",
  validateSearch: searchOf({
    states: oneOf("captured", "voided", "expired", "refused", "attempt_failed", "adjusted"),
    request_id: text,
    model_asked: text,
    token_id: text,
    user_id: text,
    tag: text,
    code: text,
    stream: flag,
    latency_min: whole,
    charged_min: text,
    row: text,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantReceiptRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "requests/$requestId",
  component: lazyRouteComponent(() => import("./receipt")),
});

export const tenantRequestsRoutes = [tenantRequestsRoute, tenantReceiptRoute] as const;
