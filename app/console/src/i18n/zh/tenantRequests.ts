import type en from "../en/tenantRequests";
import type { Same } from "../same";

export default {
  title: "请求",
  about: "您的请求，每个都附账单明细。",
} satisfies Same<typeof en>;
