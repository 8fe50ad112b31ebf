import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminChannelsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "channels",
  validateSearch: searchOf({
    search: text,
    type: text,
    group: text,
    model: text,
    enabled: flag,
    archived: flag,
    sort: oneOf("name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"),
    row: text,
    tab: oneOf("overview", "health", "history"),
    new: flag,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminChannelsRoutes = [adminChannelsRoute] as const;
