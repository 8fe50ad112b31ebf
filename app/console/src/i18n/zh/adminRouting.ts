import type en from "../en/adminRouting";
import type { Same } from "../same";

export default {
  title: "模型与路由",
  about: "哪些渠道为公开模型名提供服务，以何种顺序，以及原因。",
} satisfies Same<typeof en>;
