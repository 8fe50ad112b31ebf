export default {
  title: "Quick start",
  about: "From a key to the first answer, and the rules behind it.",
  sections: {
    start: "Quick start",
    endpoints: "Endpoints",
    errors: "Errors",
    limits: "Rate limits",
    billing: "Billing",
  },
  start: {
    key: "1. A key and the base URL",
    keyText:
      "Make a key in the console under API keys. Everything else is as with OpenAI: only the base URL and the key are different.",
    baseUrl: "Base URL",
    call: "2. The first call",
    callText: "Put your key in place of sk-... and run it.",
    stream: "3. Streaming",
    streamText: "Answers come as server-sent events. With include_usage the last one tells the tokens.",
    models: "Which models there are",
    modelsText: "The list is what your key may ask for.",
    others: "Anthropic's and Google's SDKs",
    othersText: "Their contracts are understood as well, for every model, whoever serves it.",
    anthropic: "With Anthropic's SDK",
    gemini: "With Google's SDK",
    clients: "Other clients",
    receipt: "What it cost",
    receiptText:
      "Each answer has an id in its headers. Under it the console shows the receipt: every quantity, price and factor.",
  },
  endpoints: {
    about: "Each takes the key as Authorization: Bearer, x-api-key or x-goog-api-key, as its vendor's SDK sends it.",
    path: "Endpoint",
    does: "What it does",
    chat: "Chat, streamed or whole, with tools, images and structured output",
    responses: "OpenAI's newer contract for chat",
    completions: "Text continued",
    embeddings: "Texts as vectors",
    images: "Images made",
    imageEdits: "Images changed",
    speech: "Text spoken",
    transcriptions: "Speech written down",
    translations: "Speech written down in English",
    moderations: "Texts judged",
    rerank: "Documents ordered by a question",
    realtime: "Talking over a WebSocket",
    models: "The models that the key may ask for",
    messages: "Anthropic's contract for chat",
    countTokens: "How many tokens a message has; free",
    gemini: "Google's contract for chat",
    geminiStream: "The same, streamed",
    rest: "The REST API",
    restText: "Keys, members, usage, statements and whatever else this console does, for your programs.",
    openapi: "Read its document",
  },
  errors: {
    about:
      "Errors look as OpenAI's do, so that SDKs understand them. Branch on code; message says what to do. Nothing that is refused is charged.",
    example: '{"error": {"message": "...", "type": "insufficient_quota", "param": null, "code": "budget_exceeded"}}',
    find: "Find a code",
    code: "Code",
    cause: "Cause",
    fix: "What to do",
    retry: "Try again?",
    later: "Yes, later",
  },
  limits: {
    windows: {
      title: "Calendar minutes",
      text: "Requests and tokens per minute are counted over calendar minutes, on all servers together. A new minute begins with nothing used.",
    },
    scopes: {
      title: "Key, member, account",
      text: "A request must fit every limit: of its key, of the key's owner, and of the account. The first one in the way is named in the error.",
    },
    reserve: {
      title: "Tokens are reserved first",
      text: "A request takes from tokens per minute what it could use at most: its prompt and its output limit. What it did not use is given back when it ends. A sensible max_completion_tokens lets more requests through.",
    },
    headers: {
      title: "What the answer says",
      text: "A refusal for a rate has Retry-After, and x-ratelimit-limit and x-ratelimit-reset as with OpenAI. The official SDKs wait and try again by themselves.",
    },
    concurrency: {
      title: "Requests at once",
      text: "A limit of requests at once counts what is under way, from the request to the last byte of the answer.",
    },
    refused: {
      title: "What is refused costs nothing",
      text: "Neither money nor rate: a refused request is counted for the log only.",
    },
    cached: {
      title: "Answers from the cache",
      text: "A key may be set to get the same answer for the very same request for some seconds. Such an answer costs nothing, or the share of its price that the operator has set, and is marked on its receipt.",
    },
  },
  billing: {
    counted: {
      title: "What is counted",
      text: "The tokens that the vendor reports, each in exactly one class: text read, read from the vendor's cache, written, thought, audio, images. If a vendor reports nothing, the gateway counts what it passed on, and the receipt says so.",
    },
    formula: {
      title: "The charge",
      text: "Quantity times price, summed over the classes, times your multiplier, rounded once at the end to a billionth, a half to the even neighbor.",
      example: "charge = round( (input × price + cached × price + output × price + ...) × multiplier )",
    },
    hold: {
      title: "Credit is held first",
      text: "Before a call, the most that it could cost is set aside. When it ends, the real price is taken and the rest given back at once. So a wallet never goes below what was agreed.",
    },
    multiplier: {
      title: "Your multiplier",
      text: "List prices are scaled by the multiplier of your group. Models and prices in the console shows what you pay.",
    },
    tiers: {
      title: "Long prompts",
      text: "Some models cost more from a length of input on. The tier then holds for the whole request.",
    },
    cacheReads: {
      title: "Cached input",
      text: "What the vendor reads from its prompt cache costs the price for cached input, where there is one.",
    },
    failed: {
      title: "No answer, no charge",
      text: "A request that failed before its answer began is not charged, however often the gateway tried.",
    },
    aborted: {
      title: "Hanging up",
      text: "Whoever hangs up pays for what was written until then. The account's settings say whether the gateway lets the answer come to its end, or breaks off.",
    },
    grants: {
      title: "Which credit is spent first",
      text: "Grants are spent by their priority, then those that end first. What ends unused lapses, and stands in the wallet as such.",
    },
    statement: {
      title: "Statements",
      text: "Each month closes with a statement: opening + credit − use = closing. It never changes afterwards; its fingerprint shows that.",
    },
  },
};
