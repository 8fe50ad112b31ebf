import account from "./account";
import adminAlerts from "./adminAlerts";
import adminAudit from "./adminAudit";
import adminChannels from "./adminChannels";
import adminCodes from "./adminCodes";
import adminGroups from "./adminGroups";
import adminLedger from "./adminLedger";
import adminLimits from "./adminLimits";
import adminLive from "./adminLive";
import adminOverview from "./adminOverview";
import adminPrices from "./adminPrices";
import adminRequests from "./adminRequests";
import adminRouting from "./adminRouting";
import adminSettings from "./adminSettings";
import adminStatements from "./adminStatements";
import adminSystem from "./adminSystem";
import adminTenants from "./adminTenants";
import adminTokens from "./adminTokens";
import adminUsage from "./adminUsage";
import adminUsers from "./adminUsers";
import adminWallets from "./adminWallets";
import clientCodes from "./clientCodes";
import common from "./common";
import kit from "./kit";
import prices from "./prices";
import problems from "./problems";
import publicAccept from "./publicAccept";
import publicDocs from "./publicDocs";
import publicForgot from "./publicForgot";
import publicHome from "./publicHome";
import publicLogin from "./publicLogin";
import publicPrices from "./publicPrices";
import publicSignUp from "./publicSignUp";
import publicStatus from "./publicStatus";
import publicWelcome from "./publicWelcome";
import session from "./session";
import shell from "./shell";
import tenantAudit from "./tenantAudit";
import tenantHome from "./tenantHome";
import tenantKeys from "./tenantKeys";
import tenantLimits from "./tenantLimits";
import tenantMembers from "./tenantMembers";
import tenantPlayground from "./tenantPlayground";
import tenantPrices from "./tenantPrices";
import tenantRequests from "./tenantRequests";
import tenantSettings from "./tenantSettings";
import tenantStatements from "./tenantStatements";
import tenantUsage from "./tenantUsage";
import tenantWallet from "./tenantWallet";
import usage from "./usage";

export default {
  account,
  adminAlerts,
  adminAudit,
  adminChannels,
  adminCodes,
  adminGroups,
  adminLedger,
  adminLimits,
  adminLive,
  adminOverview,
  adminPrices,
  adminRequests,
  adminRouting,
  adminSettings,
  adminStatements,
  adminSystem,
  adminTenants,
  adminTokens,
  adminUsage,
  adminUsers,
  adminWallets,
  clientCodes,
  common,
  kit,
  prices,
  problems,
  publicAccept,
  publicDocs,
  publicForgot,
  publicHome,
  publicLogin,
  publicPrices,
  publicSignUp,
  publicStatus,
  publicWelcome,
  session,
  shell,
  tenantAudit,
  tenantHome,
  tenantKeys,
  tenantLimits,
  tenantMembers,
  tenantPlayground,
  tenantPrices,
  tenantRequests,
  tenantSettings,
  tenantStatements,
  tenantUsage,
  tenantWallet,
  usage,
};
