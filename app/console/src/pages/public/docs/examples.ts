import { apiBase } from "~/site";

/** Calls that show what else is understood; each works as it stands, with a key in place of `sk-...`. */
export const examples = (model: string) => {
  const base = apiBase();
  const root = base.replace(/\/v1$/, "");
  return {
    stream: [
      `curl -N ${base}/chat/completions \\`,
      `  -H "Authorization: Bearer sk-..." \\`,
      `  -H "Content-Type: application/json" \\`,
      `  -d '{"model": "${model}", "stream": true, "stream_options": {"include_usage": true},`,
      `       "messages": [{"role": "user", "content": "Hello!"}]}'`,
    ].join("\n"),
    anthropic: [
      "from anthropic import Anthropic",
      "",
      `client = Anthropic(base_url="${root}", api_key="sk-...")`,
      "answer = client.messages.create(",
      `    model="${model}",`,
      "    max_tokens=1024,",
      `    messages=[{"role": "user", "content": "Hello!"}],`,
      ")",
    ].join("\n"),
    gemini: [
      "from google import genai",
      "",
      `client = genai.Client(api_key="sk-...", http_options={"base_url": "${root}"})`,
      `answer = client.models.generate_content(model="${model}", contents="Hello!")`,
    ].join("\n"),
    header: "x-tallygate-request-id: 01a22db9-2537-76b1-a6b6-4ea0562c5f65",
    models: `curl ${base}/models -H "Authorization: Bearer sk-..."`,
  };
};

/** What is served, as in app/relay/routes.py. */
export const ENDPOINTS = [
  { method: "POST", path: "/v1/chat/completions", key: "chat" },
  { method: "POST", path: "/v1/responses", key: "responses" },
  { method: "POST", path: "/v1/completions", key: "completions" },
  { method: "POST", path: "/v1/embeddings", key: "embeddings" },
  { method: "POST", path: "/v1/images/generations", key: "images" },
  { method: "POST", path: "/v1/images/edits", key: "imageEdits" },
  { method: "POST", path: "/v1/audio/speech", key: "speech" },
  { method: "POST", path: "/v1/audio/transcriptions", key: "transcriptions" },
  { method: "POST", path: "/v1/audio/translations", key: "translations" },
  { method: "POST", path: "/v1/moderations", key: "moderations" },
  { method: "POST", path: "/v1/rerank", key: "rerank" },
  { method: "GET", path: "/v1/realtime", key: "realtime" },
  { method: "GET", path: "/v1/models", key: "models" },
  { method: "POST", path: "/v1/messages", key: "messages" },
  { method: "POST", path: "/v1/messages/count_tokens", key: "countTokens" },
  { method: "POST", path: "/v1beta/models/{model}:generateContent", key: "gemini" },
  { method: "POST", path: "/v1beta/models/{model}:streamGenerateContent", key: "geminiStream" },
] as const;
