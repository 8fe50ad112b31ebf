import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminLedgerRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "ledger",
  validateSearch: searchOf({}),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminLedgerRoutes = [adminLedgerRoute] as const;
