import type en from "../en/tenantSettings";
import type { Same } from "../same";

export default {
  title: "设置",
  about: "名称、时区与账户行为。",
} satisfies Same<typeof en>;
