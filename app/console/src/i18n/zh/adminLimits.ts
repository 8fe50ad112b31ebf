import type en from "../en/adminLimits";
import type { Same } from "../same";

export default {
  title: "预算与限额",
  about: "每项限额的已用与预扣，最接近上限的在前；点击名称可前往修改。",
  empty: "为租户、成员或令牌设置预算或限额后，会在此显示使用情况。",
} satisfies Same<typeof en>;
