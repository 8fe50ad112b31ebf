import type en from "../en/adminWallets";
import type { Same } from "../same";

export default {
  title: "钱包与充值",
  about: "所有租户的余额、变动明细与尚未消费的额度。",
} satisfies Same<typeof en>;
