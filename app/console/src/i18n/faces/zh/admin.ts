import adminAccount from "../../zh/adminAccount";
import adminAlerts from "../../zh/adminAlerts";
import adminAudit from "../../zh/adminAudit";
import adminChannels from "../../zh/adminChannels";
import adminCodes from "../../zh/adminCodes";
import adminGroups from "../../zh/adminGroups";
import adminLedger from "../../zh/adminLedger";
import adminLimits from "../../zh/adminLimits";
import adminLive from "../../zh/adminLive";
import adminOverview from "../../zh/adminOverview";
import adminPrices from "../../zh/adminPrices";
import adminRequests from "../../zh/adminRequests";
import adminRouting from "../../zh/adminRouting";
import adminSettings from "../../zh/adminSettings";
import adminStatements from "../../zh/adminStatements";
import adminSystem from "../../zh/adminSystem";
import adminTenants from "../../zh/adminTenants";
import adminTokens from "../../zh/adminTokens";
import adminUsage from "../../zh/adminUsage";
import adminUsers from "../../zh/adminUsers";
import adminWallets from "../../zh/adminWallets";

/** The operator's console. */
export default {
  adminAccount,
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
};
