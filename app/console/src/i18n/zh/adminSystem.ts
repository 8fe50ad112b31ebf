import type en from "../en/adminSystem";
import type { Same } from "../same";

export default {
  title: "系统",
  about: "节点、版本、数据库与任务。",
} satisfies Same<typeof en>;
