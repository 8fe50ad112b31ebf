import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf, text, whole } from "~/lib/search";
import { publicRoute } from "~/router/roots";

/** The step that is open, and what the steps before it have made, so that reloading the page loses nothing but secrets. */
export const publicWelcomeRoute = createRoute({
  getParentRoute: () => publicRoute,
  path: "welcome",
  validateSearch: searchOf({ step: oneOf("you", "vendor", "tenant", "call"), model: text, tenant: whole }),
  component: lazyRouteComponent(() => import("./page")),
});

export const publicWelcomeRoutes = [publicWelcomeRoute] as const;
