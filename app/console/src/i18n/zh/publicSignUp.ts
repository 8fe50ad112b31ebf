import type en from "../en/publicSignUp";
import type { Same } from "../same";

export default {
  title: "注册",
  about: "两分钟创建账户。",
} satisfies Same<typeof en>;
