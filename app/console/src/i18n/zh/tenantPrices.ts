import type en from "../en/tenantPrices";
import type { Same } from "../same";

export default {
  title: "模型与价格",
  about: "您使用各模型的价格及其当前状态。",
  multiplierHint: "您的价格 = 目录价 × 倍率；有多个倍率时取决于实际渠道。",
  features: "功能",
  speed: "Token/秒",
  speedHint: "最近 24 小时全部请求的数据",
  hours: "24 小时",
  unpriced: "已提供但尚未定价，因此会被拒绝：{{models}}。",
  compare: "价格与速度",
  compareAbout: {
    tokens: "输出价格与生成速度：右下角便宜且快。",
    firstByte: "输出价格与首字节时间：左下角便宜且快。",
  },
  compareTitle: "输出价格与速度",
  compareSummary_one: "{{count}} 个模型：{{cheapest}}。",
  compareSummary_other: "{{count}} 个模型：{{cheapest}} 最便宜，{{dearest}} 最贵，{{fastest}} 最快。",
  speedBy: "速度指标",
  speedUnit: "每秒 token 数",
  outputPrice: "输出价格",
} satisfies Same<typeof en>;
