import { createRouter } from "@tanstack/react-router";
import { Pending } from "~/kit/Pending";
import { adminAccountRoutes } from "~/pages/admin/account/routes";
import { adminAlertsRoutes } from "~/pages/admin/alerts/routes";
import { adminAuditRoutes } from "~/pages/admin/audit/routes";
import { adminChannelsRoutes } from "~/pages/admin/channels/routes";
import { adminCodesRoutes } from "~/pages/admin/codes/routes";
import { adminGroupsRoutes } from "~/pages/admin/groups/routes";
import { adminLedgerRoutes } from "~/pages/admin/ledger/routes";
import { adminLimitsRoutes } from "~/pages/admin/limits/routes";
import { adminLiveRoutes } from "~/pages/admin/live/routes";
import { adminOverviewRoutes } from "~/pages/admin/overview/routes";
import { adminPricesRoutes } from "~/pages/admin/prices/routes";
import { adminRequestsRoutes } from "~/pages/admin/requests/routes";
import { adminRoutingRoutes } from "~/pages/admin/routing/routes";
import { adminSettingsRoutes } from "~/pages/admin/settings/routes";
import { adminStatementsRoutes } from "~/pages/admin/statements/routes";
import { adminSystemRoutes } from "~/pages/admin/system/routes";
import { adminTenantsRoutes } from "~/pages/admin/tenants/routes";
import { adminTokensRoutes } from "~/pages/admin/tokens/routes";
import { adminUsageRoutes } from "~/pages/admin/usage/routes";
import { adminUsersRoutes } from "~/pages/admin/users/routes";
import { adminWalletsRoutes } from "~/pages/admin/wallets/routes";
import { publicAcceptRoutes } from "~/pages/public/accept/routes";
import { publicDocsRoutes } from "~/pages/public/docs/routes";
import { publicForgotRoutes } from "~/pages/public/forgot/routes";
import { publicHomeRoutes } from "~/pages/public/home/routes";
import { publicLoginRoutes } from "~/pages/public/login/routes";
import { publicPricesRoutes } from "~/pages/public/prices/routes";
import { publicSignUpRoutes } from "~/pages/public/signUp/routes";
import { publicStatusRoutes } from "~/pages/public/status/routes";
import { publicWelcomeRoutes } from "~/pages/public/welcome/routes";
import { tenantAuditRoutes } from "~/pages/tenant/audit/routes";
import { tenantHomeRoutes } from "~/pages/tenant/home/routes";
import { tenantKeysRoutes } from "~/pages/tenant/keys/routes";
import { tenantLimitsRoutes } from "~/pages/tenant/limits/routes";
import { tenantMembersRoutes } from "~/pages/tenant/members/routes";
import { tenantPlaygroundRoutes } from "~/pages/tenant/playground/routes";
import { tenantPricesRoutes } from "~/pages/tenant/prices/routes";
import { tenantRequestsRoutes } from "~/pages/tenant/requests/routes";
import { tenantSettingsRoutes } from "~/pages/tenant/settings/routes";
import { tenantStatementsRoutes } from "~/pages/tenant/statements/routes";
import { tenantUsageRoutes } from "~/pages/tenant/usage/routes";
import { tenantWalletRoutes } from "~/pages/tenant/wallet/routes";
import { RouteFailure } from "~/shell/Failures";
import { basepath } from "~/site";
import { adminIndexRoute, adminRoute, publicRoute, rootRoute, tenantRoute } from "./roots";

const tree = rootRoute.addChildren([
  publicRoute.addChildren([
    ...publicHomeRoutes,
    ...publicPricesRoutes,
    ...publicStatusRoutes,
    ...publicDocsRoutes,
    ...publicLoginRoutes,
    ...publicSignUpRoutes,
    ...publicForgotRoutes,
    ...publicAcceptRoutes,
    ...publicWelcomeRoutes,
  ]),
  adminRoute.addChildren([
    adminIndexRoute,
    ...adminOverviewRoutes,
    ...adminLiveRoutes,
    ...adminRequestsRoutes,
    ...adminChannelsRoutes,
    ...adminRoutingRoutes,
    ...adminPricesRoutes,
    ...adminGroupsRoutes,
    ...adminTenantsRoutes,
    ...adminUsersRoutes,
    ...adminTokensRoutes,
    ...adminLimitsRoutes,
    ...adminWalletsRoutes,
    ...adminCodesRoutes,
    ...adminStatementsRoutes,
    ...adminUsageRoutes,
    ...adminLedgerRoutes,
    ...adminAuditRoutes,
    ...adminAlertsRoutes,
    ...adminSystemRoutes,
    ...adminSettingsRoutes,
    ...adminAccountRoutes,
  ]),
  tenantRoute.addChildren([
    ...tenantHomeRoutes,
    ...tenantUsageRoutes,
    ...tenantRequestsRoutes,
    ...tenantKeysRoutes,
    ...tenantMembersRoutes,
    ...tenantLimitsRoutes,
    ...tenantWalletRoutes,
    ...tenantStatementsRoutes,
    ...tenantPricesRoutes,
    ...tenantPlaygroundRoutes,
    ...tenantAuditRoutes,
    ...tenantSettingsRoutes,
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  basepath: basepath || "/",
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  defaultPendingMs: 150,
  defaultPendingMinMs: 0,
  defaultPendingComponent: Pending,
  defaultErrorComponent: RouteFailure,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
