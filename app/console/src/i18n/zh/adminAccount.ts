import type en from "../en/adminAccount";
import type { Same } from "../same";

export default {
  title: "我的账户",
  about: "当前登录：{{login}}。您的偏好设置、登录会话，以及供您的程序使用的令牌。",
} satisfies Same<typeof en>;
