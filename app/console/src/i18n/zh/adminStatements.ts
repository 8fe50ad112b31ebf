import type en from "../en/adminStatements";
import type { Same } from "../same";

export default {
  title: "对账单",
  about: "每个租户每月一份。结账后不再变更，可凭指纹核对内容。",
  one: "{{tenant}}，{{period}}",
  list: "已结账的对账单",
  closed: "已结账",
  open: "{{month}}，进行中",
  shown_one: "显示 {{count}} 份对账单",
  shown_other: "显示 {{count}} 份对账单",
  emptyText: "按租户所在时区，每月结束后一小时内结账。在此之前，可选择租户查看当月情况。",
  revenue: "收入",
  months: "按月收入",
  month: "月份（UTC）",
  thisMonth: "本月",
  soFar: "截至目前",
  lastMonth: "上月",
  inAll_one: "最近 {{count}} 个月",
  inAll_other: "最近 {{count}} 个月",
} satisfies Same<typeof en>;
