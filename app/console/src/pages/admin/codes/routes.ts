import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminCodesRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "codes",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminCodesRoutes = [adminCodesRoute] as const;
