import type en from "../en/adminTokens";
import type { Same } from "../same";

export default {
  title: "API 令牌",
  about: "所有租户的令牌：所有者、限额与最近使用。",
} satisfies Same<typeof en>;
