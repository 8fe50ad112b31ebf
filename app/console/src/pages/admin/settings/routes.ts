import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminSettingsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "settings",
  validateSearch: searchOf({
    tab: oneOf("access", "relay", "system", "announcements"),
    setting: text,
    history: text,
    row: text,
    new: flag,
    level: oneOf("info", "warning", "critical"),
    audience: oneOf("everyone", "users", "operators"),
    archived: flag,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminSettingsRoutes = [adminSettingsRoute] as const;
