import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { oneOf, searchOf, text } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminLedgerRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "ledger",
  validateSearch: searchOf({ tab: oneOf("checks", "models", "holds", "runs"), row: text }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminLedgerRoutes = [adminLedgerRoute] as const;
