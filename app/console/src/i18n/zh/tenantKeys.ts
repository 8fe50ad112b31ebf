import type en from "../en/tenantKeys";
import type { Same } from "../same";

export default {
  title: "API 令牌",
  about: "您的程序所用的令牌及其限额。",
} satisfies Same<typeof en>;
