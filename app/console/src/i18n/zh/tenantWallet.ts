import type en from "../en/tenantWallet";
import type { Same } from "../same";

export default {
  title: "钱包",
  about: "余额、预扣、赠送额度与每笔变动。",
} satisfies Same<typeof en>;
