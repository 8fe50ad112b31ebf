import tenantAudit from "../../zh/tenantAudit";
import tenantHome from "../../zh/tenantHome";
import tenantKeys from "../../zh/tenantKeys";
import tenantLimits from "../../zh/tenantLimits";
import tenantMembers from "../../zh/tenantMembers";
import tenantPlayground from "../../zh/tenantPlayground";
import tenantPrices from "../../zh/tenantPrices";
import tenantRequests from "../../zh/tenantRequests";
import tenantSettings from "../../zh/tenantSettings";
import tenantStatements from "../../zh/tenantStatements";
import tenantUsage from "../../zh/tenantUsage";
import tenantWallet from "../../zh/tenantWallet";
import usage from "../../zh/usage";

/** The tenant's console, and what the operator's shows of it. */
export default {
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
