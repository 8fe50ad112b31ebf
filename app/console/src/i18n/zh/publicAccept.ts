import type en from "../en/publicAccept";
import type { Same } from "../same";

export default {
  title: "您的链接",
  join: "加入 {{tenant}}",
  signUp: "您在 {{name}} 的账户",
  reset: "设置新密码",
  withAccount: "您已有账户 {{login}}，请输入其密码以加入。",
  newPassword: "账户：{{login}}。链接只能使用一次。",
  yourName: "您的姓名",
  tenantName: "公司或团队名称",
  tenantHint: "显示在对账单与控制台中，之后可修改。",
  joinNow: "加入",
  create: "创建账户",
  setPassword: "设置密码",
  goodUntil: "链接有效期至",
  gone: "此链接无效",
  goneText: "链接已被使用、已过期或已撤回，请重新获取。",
  toLogin: "前往登录",
} satisfies Same<typeof en>;
