import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminTokensRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "tokens",
  validateSearch: searchOf({
    search: text,
    tenant: text,
    tag: text,
    model: text,
    revoked: flag,
    sort: oneOf("name", "-name", "created_at", "-created_at"),
    row: text,
    new: flag,
    tab: oneOf("terms", "use", "history"),
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminTokensRoutes = [adminTokensRoute] as const;
