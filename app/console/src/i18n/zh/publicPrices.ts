import type en from "../en/publicPrices";
import type { Same } from "../same";

export default {
  title: "价格",
  about: "各模型的目录价，未计入您账户的折扣。",
  closed: "登录后可查看价格",
  closedText: "运营方仅在控制台中显示价格。",
  since: "生效于",
  json: "JSON 格式",
  hash: "指纹",
  rule: "按实际读写的 Token 计费，精确到货币的十亿分之一；每个请求都有列明计算过程的账单明细。未得到回答的请求不收费。",
} satisfies Same<typeof en>;
