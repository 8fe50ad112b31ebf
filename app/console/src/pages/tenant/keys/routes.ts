import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { tenantRoute } from "~/router/roots";

export const tenantKeysRoute = createRoute({
  getParentRoute: () => tenantRoute,
  path: "keys",
  validateSearch: searchOf({
    search: text,
    tag: text,
    model: text,
    owner: text,
    revoked: flag,
    sort: oneOf("name", "-name", "created_at", "-created_at"),
    row: text,
    tab: oneOf("terms", "use", "history"),
    new: flag,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const tenantKeysRoutes = [tenantKeysRoute] as const;
