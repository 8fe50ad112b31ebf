import type en from "../en/clientCodes";
import type { Same } from "../same";

export default {
  invalid_api_key: {
    cause: "令牌不存在、已过期、已吊销，或来源地址不在允许范围内。",
    fix: "请检查令牌及其网络限制，或创建新令牌。",
  },
  insufficient_quota: {
    cause: "钱包余额不足以覆盖该请求可能的最高费用。",
    fix: "请充值，或调低 max_completion_tokens。",
  },
  budget_exceeded: {
    cause: "令牌、成员或账户的预算不足以覆盖该请求。",
    fix: "请等待下一周期，或请管理员提高预算。",
  },
  allowance_exhausted: {
    cause: "免费额度不足以覆盖该请求；费用不会在免费额度与钱包之间拆分。",
    fix: "请减少用量，或改用由钱包支付的模型。",
  },
  rate_limit_exceeded: {
    cause: "达到每分钟请求数或 Token 数上限（本服务或供应商）。",
    fix: "请按 Retry-After 等待后重试；官方 SDK 会自动处理。",
  },
  concurrency_limit_exceeded: { cause: "同时进行的请求数已达上限。", fix: "请等待其中一个完成。" },
  too_many_requests: { cause: "此账户的请求已占满网关容量。", fix: "请减少并发，并按 Retry-After 等待。" },
  request_too_large: {
    cause: "单个请求可能使用的 Token 已超过每分钟上限。",
    fix: "请缩短提示词，或调低 max_completion_tokens。",
  },
  tenant_suspended: { cause: "账户已被暂停。", fix: "请联系运营方。" },
  user_disabled: { cause: "令牌所属成员已被停用。", fix: "请使用其他成员的令牌。" },
  model_not_found: {
    cause: "没有此名称的模型，或令牌无权使用。",
    fix: "可用模型见 GET /v1/models。",
  },
  model_unpriced: { cause: "该模型尚未定价，未定价的模型不提供服务。", fix: "请改用其他模型，或告知运营方。" },
  invalid_value: { cause: "请求体中有无法理解的内容，param 会指出位置。", fix: "请修正；相同请求会再次被拒绝。" },
  unsupported_parameter: { cause: "提供该模型的渠道均不支持所用参数。", fix: "请去掉该参数，或改用其他模型。" },
  content_filter: { cause: "供应商拒绝了该内容。", fix: "请修改提示词。未扣费。" },
  overloaded: { cause: "网关或供应商目前过载。", fix: "请按 Retry-After 等待后重试。" },
  no_channel_available: {
    cause: "目前没有可提供该模型的渠道。",
    fix: "请按 Retry-After 等待，或改用其他模型。",
  },
  vendor_unavailable: { cause: "无法连接供应商。", fix: "请重试，或改用其他模型。" },
  vendor_error: { cause: "供应商返回错误或无法识别的响应。", fix: "请重试。未得到回答则不扣费。" },
  timeout: { cause: "供应商未及时响应。", fix: "请重试；长回答请使用流式。" },
  ledger_unavailable: { cause: "网关暂时无法记账；无法记账的请求不提供服务。", fix: "请数秒后重试。" },
} satisfies Same<typeof en>;
