import adminAccount from "../../en/adminAccount";
import adminAlerts from "../../en/adminAlerts";
import adminAudit from "../../en/adminAudit";
import adminChannels from "../../en/adminChannels";
import adminCodes from "../../en/adminCodes";
import adminGroups from "../../en/adminGroups";
import adminLedger from "../../en/adminLedger";
import adminLimits from "../../en/adminLimits";
import adminLive from "../../en/adminLive";
import adminOverview from "../../en/adminOverview";
import adminPrices from "../../en/adminPrices";
import adminRequests from "../../en/adminRequests";
import adminRouting from "../../en/adminRouting";
import adminSettings from "../../en/adminSettings";
import adminStatements from "../../en/adminStatements";
import adminSystem from "../../en/adminSystem";
import adminTenants from "../../en/adminTenants";
import adminTokens from "../../en/adminTokens";
import adminUsage from "../../en/adminUsage";
import adminUsers from "../../en/adminUsers";
import adminWallets from "../../en/adminWallets";

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
