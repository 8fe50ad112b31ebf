import type en from "../en/tenantAudit";
import type { Same } from "../same";

export default {
  title: "审计",
  about: "谁在此账户中修改了什么，以及运营方何时查看过。",
} satisfies Same<typeof en>;
