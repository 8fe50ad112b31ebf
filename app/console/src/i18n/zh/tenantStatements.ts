import type en from "../en/tenantStatements";
import type { Same } from "../same";

export default {
  title: "对账单",
  about: "您的各期对账单，可下载与验证。",
} satisfies Same<typeof en>;
