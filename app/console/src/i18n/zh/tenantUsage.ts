import type en from "../en/tenantUsage";
import type { Same } from "../same";

export default {
  title: "用量",
  about: "按模型、令牌、成员与标签统计的用量。",
  spend: "消费",
  answered: "已应答",
  without: "（无）",
  groupBy: "分组方式",
  by: { model_billed: "模型", token: "令牌", user: "成员", tag: "标签" },
  cacheShare: "缓存命中率",
  cacheHint: "供应商从提示词缓存读取的输入 Token 占比，这部分价格更低。",
  percent: "百分比",
  mean: "平均值",
  tokenKinds: "输入 {{input}}，输出 {{output}}",
  total: "合计",
  program: "通过程序获取",
  programAbout: "使用设置中的个人访问令牌，可从 REST API 获取相同数据。",
  emptyTitle: "此时间段内没有用量",
  emptyText: "请求后数秒内用量即显示于此。",
} satisfies Same<typeof en>;
