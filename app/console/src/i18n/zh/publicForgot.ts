import type en from "../en/publicForgot";
import type { Same } from "../same";

export default {
  title: "忘记密码",
  about: "我们会发送一封一小时内有效的邮件链接。",
  submit: "发送链接",
  sent: "如果账户 {{login}} 存在，链接已在发送途中，一小时内有效，且只能使用一次。",
  noMail: "此服务器不发送邮件，请联系运营方获取新的初始密码。",
  back: "返回登录",
} satisfies Same<typeof en>;
