import type en from "../en/adminSettings";
import type { Same } from "../same";

export default {
  title: "设置",
  about: "品牌、公告、访问与转发设置；每项显示由谁于何时设置。",
} satisfies Same<typeof en>;
