import type en from "../en/adminRequests";
import type { Same } from "../same";

export default {
  title: "请求",
  about: "查找任意请求，并从账单明细中查看其计价与处理过程。",
} satisfies Same<typeof en>;
