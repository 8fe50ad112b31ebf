import type en from "../en/publicHome";
import type { Same } from "../same";

export default {
  title: "欢迎",
  about: "",
} satisfies Same<typeof en>;
