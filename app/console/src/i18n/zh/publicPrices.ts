import type en from "../en/publicPrices";
import type { Same } from "../same";

export default {
  title: "价格",
  about: "各模型的价格。",
} satisfies Same<typeof en>;
