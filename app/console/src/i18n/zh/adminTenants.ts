import type en from "../en/adminTenants";
import type { Same } from "../same";

export default {
  title: "租户",
  about: "客户账户：每个租户的余额、限额与状态。",
} satisfies Same<typeof en>;
