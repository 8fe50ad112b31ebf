import type en from "../en/publicSignUp";
import type { Same } from "../same";

export default {
  title: "注册",
  heading: "注册 {{name}}",
  about: "我们会向您的邮箱发送链接，打开后即创建账户。",
  email: "邮箱",
  submit: "发送链接",
  hasAccount: "已有账户？",
  sent: "请查收邮件",
  sentText: "如果 {{email}} 可以在此注册，链接已在发送途中，一天内有效。",
  sentHint: "没有收到？请查看垃圾邮件，并检查地址是否有误。",
  otherAddress: "使用其他邮箱",
  closed: "暂不开放注册",
  closedText: "账户通过邀请创建。请联系服务运营方，或已有账户的同事。",
} satisfies Same<typeof en>;
