import type en from "../en/adminUsage";
import type { Same } from "../same";

export default {
  title: "用量",
  about: "按任意维度统计请求、Token 与金额。",
} satisfies Same<typeof en>;
