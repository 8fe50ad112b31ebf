import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { flag, oneOf, searchOf, text, whole } from "~/lib/search";
import { adminRoute } from "~/router/roots";

export const adminPricesRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "prices",
  validateSearch: searchOf({
    tab: oneOf("models", "cards", "history", "margin"),
    search: text,
    use: oneOf("sale", "cost"),
    published: flag,
    archived: flag,
    sort: oneOf("created_at", "-created_at", "updated_at", "-updated_at"),
    row: text,
    model: text,
    new: flag,
  }),
  component: lazyRouteComponent(() => import("./page")),
});

export const adminCardRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "prices/$cardId",
  validateSearch: searchOf({
    tab: oneOf("prices", "diff", "lint", "whatif", "history"),
    search: text,
    change: oneOf("added", "removed", "raised", "lowered"),
    tenant: whole,
  }),
  component: lazyRouteComponent(() => import("./card")),
});

export const adminPricesRoutes = [adminPricesRoute, adminCardRoute] as const;
