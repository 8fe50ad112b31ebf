import type en from "../en/adminTokens";
import type { Same } from "../same";

export default {
  title: "API 令牌",
  about: "所有租户的令牌：所有者、限额与最近使用。",
  owner: "所有者",
  oneTenant: "请选择同一租户的令牌：全部吊销或全部不吊销。",
  revokeMany_one: "吊销 {{count}} 个令牌",
  revokeMany_other: "吊销 {{count}} 个令牌",
  revokeEffect_one: "{{count}} 个令牌将立即在所有节点上被拒绝，无法撤销。",
  revokeEffect_other: "{{count}} 个令牌将立即在所有节点上被拒绝，无法撤销。",
  revokeUse: "最近 30 天：{{requests}} 次请求，消费",
} satisfies Same<typeof en>;
