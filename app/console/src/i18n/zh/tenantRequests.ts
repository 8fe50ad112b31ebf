import type en from "../en/tenantRequests";
import type { Same } from "../same";

export default {
  title: "请求",
  about: "您的请求，每个都附账单明细。提示词与回答不会保留。",
  receiptAbout: "此请求的费用及其原因：列出全部因素，供您核对。",
  tag: "标签",
  code: "代码",
  in: "输入",
  cached: "缓存",
  out: "输出",
  slowerThan: "耗时不低于（毫秒）",
  dearerThan: "扣费不低于",
  duration: "耗时",
  p50: "50% 快于此",
  p95: "95% 快于此",
  refused_one: "{{count}} 个请求被拒绝",
  refused_other: "{{count}} 个请求被拒绝",
  needed: "所需",
  usedThen: "当时已用",
  leftThen: "钱包剩余",
  upTo: "上限",
  emptyTitle: "此时间段内没有请求",
  emptyText: "每个 API 请求会在一秒内显示于此，并附费用及原因。",
} satisfies Same<typeof en>;
