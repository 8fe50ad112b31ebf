import type en from "../en/adminLedger";
import type { Same } from "../same";

export default {
  title: "账本健康",
  about: "账本不变量、读模型延迟，以及如何重建。",
} satisfies Same<typeof en>;
