import type en from "../en/publicStatus";
import type { Same } from "../same";

export default {
  title: "状态",
  about: "最近 90 天各模型的可用情况。",
} satisfies Same<typeof en>;
