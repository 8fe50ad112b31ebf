import type en from "../en/adminStatements";
import type { Same } from "../same";

export default {
  title: "对账单",
  about: "按租户与周期的对账单、合计与签名文件。",
} satisfies Same<typeof en>;
