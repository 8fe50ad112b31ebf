import type en from "../en/publicAccept";
import type { Same } from "../same";

export default {
  title: "您的链接",
  about: "完成邮件中的操作。",
} satisfies Same<typeof en>;
