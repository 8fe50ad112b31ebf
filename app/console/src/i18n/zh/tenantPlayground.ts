import type en from "../en/tenantPlayground";
import type { Same } from "../same";

export default {
  title: "试验场",
  about: "试用模型，对比两个模型，并查看请求费用。",
} satisfies Same<typeof en>;
