import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text, whole } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminUsersRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "users",
  validateSearch: searchOf({
    search: text,
    role: oneOf("root", "admin", "auditor", "support"),
    tenant: whole,
    disabled: flag,
    archived: flag,
    sort: oneOf("name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"),
    row: text,
    tab: oneOf("history"),
    new: flag,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminUsersRoutes = [adminUsersRoute] as const;
