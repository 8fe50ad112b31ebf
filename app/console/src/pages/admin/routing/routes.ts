import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, several, text, whole } from "~/lib/search";
import { adminRoute } from "~/router/roots";
import { SURFACES } from "./question";

export const adminRoutingRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "routing",
  validateSearch: searchOf({
    tab: oneOf("models", "mappings", "policies", "explain"),
    search: text,
    channel: text,
    enabled: flag,
    archived: flag,
    tenant: whole,
    sort: oneOf("created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"),
    row: text,
    part: oneOf("settings", "experiment", "history"),
    days: whole,
    new: flag,
    model: text,
    surface: oneOf(...SURFACES),
    token: text,
    user: text,
    needs: several,
    prompt: whole,
    output: whole,
    request: text,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminRoutingRoutes = [adminRoutingRoute] as const;
