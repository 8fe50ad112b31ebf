import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, searchOf, text } from "~/lib/search";
import { publicRoute } from "~/router/roots";

export const publicLoginRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "login",
  validateSearch: searchOf({ next: text, change: flag }),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicLoginRoutes = [publicLoginRoute] as const;
