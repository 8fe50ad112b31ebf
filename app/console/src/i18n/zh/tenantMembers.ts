import type en from "../en/tenantMembers";
import type { Same } from "../same";

export default {
  title: "成员",
  about: "此账户的成员及其权限。",
} satisfies Same<typeof en>;
