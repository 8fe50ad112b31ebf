import type en from "../en/tenantPrices";
import type { Same } from "../same";

export default {
  title: "模型与价格",
  about: "您使用各模型的价格。",
} satisfies Same<typeof en>;
