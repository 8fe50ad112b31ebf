import type en from "../en/publicLogin";
import type { Same } from "../same";

export default {
  title: "登录",
  about: "",
} satisfies Same<typeof en>;
