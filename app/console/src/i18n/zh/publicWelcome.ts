import type en from "../en/publicWelcome";
import type { Same } from "../same";

export default {
  title: "首次设置",
  about: "从这里到第一次成功调用。",
} satisfies Same<typeof en>;
