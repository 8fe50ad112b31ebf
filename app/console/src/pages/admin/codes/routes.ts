import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminCodesRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "codes",
  validateSearch: searchOf({
    search: text,
    kind: oneOf("paid", "promotional", "allowance"),
    revoked: flag,
    archived: flag,
    sort: oneOf("name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"),
    row: text,
    tab: oneOf("redemptions", "history"),
    new: flag,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminCodesRoutes = [adminCodesRoute] as const;
