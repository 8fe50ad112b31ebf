import tenantAudit from "../../en/tenantAudit";
import tenantHome from "../../en/tenantHome";
import tenantKeys from "../../en/tenantKeys";
import tenantLimits from "../../en/tenantLimits";
import tenantMembers from "../../en/tenantMembers";
import tenantPlayground from "../../en/tenantPlayground";
import tenantPrices from "../../en/tenantPrices";
import tenantRequests from "../../en/tenantRequests";
import tenantSettings from "../../en/tenantSettings";
import tenantStatements from "../../en/tenantStatements";
import tenantUsage from "../../en/tenantUsage";
import tenantWallet from "../../en/tenantWallet";
import usage from "../../en/usage";

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
