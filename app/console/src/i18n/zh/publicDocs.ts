import type en from "../en/publicDocs";
import type { Same } from "../same";

export default {
  title: "快速开始",
  about: "从令牌到第一个回答。",
} satisfies Same<typeof en>;
