import type en from "../en/tenantLimits";
import type { Same } from "../same";

export default {
  title: "预算与限额",
  about: "谁可以消费多少，以及已用多少。",
  cap: "账户限额",
  capAbout: "由运营方设定，统计所有人的用量。",
  ofMembers: "成员预算",
  ofKeys: "令牌限额",
  whose: "对象",
  nearest: "{{name}}：{{unit}}（{{period}}）",
  full: "已用尽，恢复于",
  fullOn: "按当前速度将用尽于",
  notFull: "按当前速度，本周期内够用",
  empty: "为令牌或成员设置预算后，其使用情况会显示于此。",
  refusals: "按原因统计的拒绝次数",
  refusalsAbout: "在产生费用之前被拒绝的请求。",
} satisfies Same<typeof en>;
