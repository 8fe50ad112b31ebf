import type en from "../en/adminPrices";
import type { Same } from "../same";

export default {
  title: "价格表",
  about: "每个模型的成本价与售价及其生效日期。",
} satisfies Same<typeof en>;
