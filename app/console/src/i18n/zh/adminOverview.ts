import type en from "../en/adminOverview";
import type { Same } from "../same";

export default {
  title: "总览",
  about: "业务运行概况：消费、毛利、请求、错误，以及谁在使用什么。",
} satisfies Same<typeof en>;
