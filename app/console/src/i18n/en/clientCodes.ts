export default {
  invalid_api_key: {
    cause: "The key is not known, has expired, was revoked, or is used from an address that it may not be used from.",
    fix: "Check the key and its networks, or make a new one.",
  },
  insufficient_quota: {
    cause: "The wallet does not cover what the request could cost at most.",
    fix: "Top up, or lower max_completion_tokens.",
  },
  budget_exceeded: {
    cause: "A budget of the key, the member or the account does not cover the request.",
    fix: "Wait for the next window, or have the budget raised.",
  },
  allowance_exhausted: {
    cause: "The free allowance does not cover the request, and it is never split between allowance and wallet.",
    fix: "Ask for less, or use a model that the wallet pays for.",
  },
  rate_limit_exceeded: {
    cause: "A limit of requests or tokens per minute is reached, here or at the vendor.",
    fix: "Wait as Retry-After says, then try again. The official SDKs do that by themselves.",
  },
  concurrency_limit_exceeded: {
    cause: "As many requests are under way as may be at once.",
    fix: "Wait until one of them ends.",
  },
  too_many_requests: {
    cause: "Requests of this account fill the room that the gateway has.",
    fix: "Send fewer at a time, and wait as Retry-After says.",
  },
  request_too_large: {
    cause: "One request may use more tokens than the limit per minute allows in all.",
    fix: "Shorten the prompt, or lower max_completion_tokens.",
  },
  tenant_suspended: { cause: "The account is suspended.", fix: "Ask the operator." },
  user_disabled: { cause: "The owner of the key is disabled.", fix: "Use another member's key." },
  model_not_found: {
    cause: "No model of this name is served, or the key may not ask for it.",
    fix: "See GET /v1/models for what the key may ask for.",
  },
  model_unpriced: {
    cause: "The model has no price yet, and nothing is served without one.",
    fix: "Use another model, or tell the operator.",
  },
  invalid_value: {
    cause: "Something in the body was not understood; param says what.",
    fix: "Correct it. The same request would be refused again.",
  },
  unsupported_parameter: {
    cause: "No channel that serves the model has what the request asks for.",
    fix: "Leave the parameter out, or use another model.",
  },
  content_filter: {
    cause: "The vendor refused the content.",
    fix: "Change the prompt. Nothing was charged.",
  },
  overloaded: {
    cause: "The gateway or the vendor has too much to do at the moment.",
    fix: "Wait as Retry-After says, then try again.",
  },
  no_channel_available: {
    cause: "Every channel that could serve the model is out at the moment.",
    fix: "Wait as Retry-After says, or use another model.",
  },
  vendor_unavailable: { cause: "The vendor cannot be reached.", fix: "Try again, or use another model." },
  vendor_error: {
    cause: "The vendor's answer was an error, or was not understood.",
    fix: "Try again. What was not answered is not charged.",
  },
  timeout: { cause: "The vendor did not answer in time.", fix: "Try again, or stream long answers." },
  ledger_unavailable: {
    cause: "The gateway cannot book at the moment, and serves nothing that it could not book.",
    fix: "Try again in a few seconds.",
  },
};
