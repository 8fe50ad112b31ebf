import type en from "../en/publicForgot";
import type { Same } from "../same";

export default {
  title: "忘记密码",
  about: "我们会发送一封一小时内有效的邮件链接。",
} satisfies Same<typeof en>;
