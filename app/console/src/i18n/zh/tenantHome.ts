import type en from "../en/tenantHome";
import type { Same } from "../same";

export default {
  title: "首页",
  about: "您的余额、消费与最近动态。",
} satisfies Same<typeof en>;
