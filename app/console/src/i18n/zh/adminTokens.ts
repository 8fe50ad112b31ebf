import type en from "../en/adminTokens";
import type { Same } from "../same";

export default {
  title: "API 令牌",
  about: "所有租户的令牌：所有者、限额与最近使用。",
  spend: "各令牌消费，30 天",
  keyOf: "{{key}}（{{tenant}}）",
  owner: "所有者",
  oneTenant: "请选择同一租户的令牌：全部吊销或全部不吊销。",
} satisfies Same<typeof en>;
