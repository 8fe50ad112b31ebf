import type en from "../en/adminAudit";
import type { Same } from "../same";

export default {
  title: "审计时间线",
  about: "谁在何时因何修改了什么，含修改前后对比。",
} satisfies Same<typeof en>;
