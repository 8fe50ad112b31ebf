import type en from "../en/adminUsage";
import type { Same } from "../same";

export default {
  title: "用量",
  about: "按任意维度统计请求、Token 与金额，精确到十亿分之一。",
  groupByHint_one: "同时可选 {{count}} 个。",
  groupByHint_other: "同时最多 {{count}} 个。点击行名进入其明细，点击金额查看对应请求。",
} satisfies Same<typeof en>;
