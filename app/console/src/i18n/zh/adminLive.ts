import type en from "../en/adminLive";
import type { Same } from "../same";

export default {
  title: "实时日志",
  about: "每个请求实时呈现。",
} satisfies Same<typeof en>;
