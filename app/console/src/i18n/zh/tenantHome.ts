import type en from "../en/tenantHome";
import type { Same } from "../same";

export default {
  title: "首页",
  hello: "欢迎，{{name}}。",
  tryModel: "试用模型",
  createKey: "创建令牌",
  today: "今日消费",
  lasts: "按最近一周的消费速度，约可用至 {{date}}",
  held: "预扣 {{amount}}",
  inRange: "此时间段内已应答",
  refused_one: "另有 {{count}} 个被拒绝",
  refused_other: "另有 {{count}} 个被拒绝",
  noRefusals: "无拒绝",
  spend: "各模型消费",
  balance: "余额",
  forecast: "预测",
  recent: "最近请求",
  allRequests: "全部请求",
  setUp: {
    title: "三步得到第一个回答",
    about: "兼容 OpenAI 接口的程序均可使用，只需更换接口地址与令牌。",
    credit: "获得额度：充值或兑换",
    key: "创建 API 令牌",
    call: "发起第一次调用：使用下面的代码，或在试验场中",
    waiting: "第一次调用到达后，会连同账单明细显示在本页。",
  },
} satisfies Same<typeof en>;
