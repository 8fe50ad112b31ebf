import type en from "../en/adminUsers";
import type { Same } from "../same";

export default {
  title: "用户与会话",
  about: "谁可以登录，以及可以做什么。",
} satisfies Same<typeof en>;
