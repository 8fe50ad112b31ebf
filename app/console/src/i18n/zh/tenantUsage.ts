import type en from "../en/tenantUsage";
import type { Same } from "../same";

export default {
  title: "用量",
  about: "按模型、令牌、成员与标签统计的用量。",
  by: { model_billed: "模型", token: "令牌", user: "成员", tag: "标签" },
} satisfies Same<typeof en>;
