import type en from "../en/publicHome";
import type { Same } from "../same";

export default {
  title: "欢迎",
  frame: "{{name}} 首页",
} satisfies Same<typeof en>;
