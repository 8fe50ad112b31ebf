import type en from "../en/tenantLimits";
import type { Same } from "../same";

export default {
  title: "预算与限额",
  about: "谁可以消费多少，以及已用多少。",
} satisfies Same<typeof en>;
