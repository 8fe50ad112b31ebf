import type en from "../en/adminGroups";
import type { Same } from "../same";

export default {
  title: "分组与倍率",
  about: "每个用户分组在每个渠道分组上的价格倍率。",
} satisfies Same<typeof en>;
