import type en from "../en/adminChannels";
import type { Same } from "../same";

export default {
  title: "渠道",
  about: "请求发往何处：供应商、密钥、健康状况与权重。",
} satisfies Same<typeof en>;
