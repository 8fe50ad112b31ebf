import type en from "../en/adminCodes";
import type { Same } from "../same";

export default {
  title: "兑换码",
  about: "可由租户兑换为余额的兑换码批次。",
} satisfies Same<typeof en>;
