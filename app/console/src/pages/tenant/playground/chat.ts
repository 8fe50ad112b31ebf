import { api, data } from "~/api/client";
import { apiBase } from "~/site";

export type Message = { role: "system" | "user" | "assistant"; content: string };

export type Asked = { model: string; messages: Message[]; temperature?: number; max_tokens?: number };

export type Answer = {
  text: string;
  requestId: string | null;
  firstMilliseconds: number | null;
  milliseconds: number | null;
  input: number | null;
  output: number | null;
  state: "answering" | "done" | "stopped" | "failed";
  problem: string;
};

export const EMPTY_ANSWER: Answer = {
  text: "",
  requestId: null,
  firstMilliseconds: null,
  milliseconds: null,
  input: null,
  output: null,
  state: "answering",
  problem: "",
};

type Key = { tenantId: number; made: Promise<{ secret: string; until: number }> };
let key: Key | null = null;

async function makeKey(tenantId: number): Promise<{ secret: string; until: number }> {
  const made = await data(
    api.POST("/api/tenants/{tenant_id}/playground-key", { params: { path: { tenant_id: tenantId } } }),
  );
  return { secret: made.secret, until: Date.parse(made.expires_at) };
}

/** The key of the playground: kept in memory only, one for both models, and made anew a minute before it ends. */
async function secretOf(tenantId: number): Promise<string> {
  const known = key?.tenantId === tenantId ? key : null;
  const present = await known?.made.catch(() => null);
  if (present && present.until - Date.now() > 60_000) return present.secret;
  // Whoever asked meanwhile has begun to make one: theirs is taken.
  if (key === known || key === null) key = { tenantId, made: makeKey(tenantId) };
  return (await key.made).secret;
}

/** The whole lines that server-sent events brought so far, and what is left of the last one. */
export function splitEvents(buffer: string): { events: string[]; rest: string } {
  const lines = buffer.split("\n");
  const rest = lines.pop() ?? "";
  const events = lines
    .map((line) => line.trimEnd())
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trim());
  return { events, rest };
}

type Chunk = {
  choices?: { delta?: { content?: string | null } }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
  error?: { message?: string };
};

/** What one event does to an answer. */
export function withEvent(answer: Answer, event: string, elapsed: number): Answer {
  if (event === "[DONE]") return answer;
  const chunk = JSON.parse(event) as Chunk;
  if (chunk.error) return { ...answer, state: "failed", problem: chunk.error.message ?? "" };
  const piece = chunk.choices?.[0]?.delta?.content ?? "";
  return {
    ...answer,
    text: answer.text + piece,
    firstMilliseconds: answer.firstMilliseconds ?? (piece ? elapsed : null),
    input: chunk.usage?.prompt_tokens ?? answer.input,
    output: chunk.usage?.completion_tokens ?? answer.output,
  };
}

const problemText = async (response: Response): Promise<string> => {
  const text = await response.text();
  try {
    return (JSON.parse(text) as { error?: { message?: string } }).error?.message ?? text.slice(0, 300);
  } catch {
    return text.slice(0, 300);
  }
};

/** Ask, and tell of the answer as it is written. Whatever happens, the last that is told is not `answering`. */
export async function ask(
  tenantId: number,
  asked: Asked,
  signal: AbortSignal,
  tell: (answer: Answer) => void,
): Promise<Answer> {
  const began = performance.now();
  let answer = EMPTY_ANSWER;
  const change = (next: Partial<Answer>) => {
    answer = { ...answer, ...next };
    tell(answer);
  };
  try {
    const secret = await secretOf(tenantId);
    const response = await fetch(`${apiBase()}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
      body: JSON.stringify({ ...asked, stream: true, stream_options: { include_usage: true } }),
      credentials: "omit",
      signal,
    });
    change({ requestId: response.headers.get("x-tallygate-request-id") });
    if (!response.ok || !response.body) {
      if (response.status === 401) key = null;
      change({ state: "failed", problem: await problemText(response) });
      return answer;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const found = splitEvents(rest + value);
      rest = found.rest;
      for (const event of found.events) answer = withEvent(answer, event, performance.now() - began);
      tell(answer);
    }
    change({ milliseconds: performance.now() - began, state: answer.state === "failed" ? "failed" : "done" });
  } catch (thrown) {
    const stopped = thrown instanceof DOMException && thrown.name === "AbortError";
    change({
      milliseconds: performance.now() - began,
      state: stopped ? "stopped" : "failed",
      problem: stopped ? "" : String(thrown instanceof Error ? thrown.message : thrown),
    });
  }
  return answer;
}

const python = (value: unknown): string =>
  JSON.stringify(value, null, 4)
    .replace(/\n/g, "\n    ")
    .replace(/: null/g, ": None");

/** The same request as a command and as a program. */
export function asCode(asked: Asked): { curl: string; python: string } {
  const body = JSON.stringify(asked, null, 2).replaceAll("'", "'\\''");
  return {
    curl: [
      `curl ${apiBase()}/chat/completions \\`,
      `  -H "Authorization: Bearer $OPENAI_API_KEY" \\`,
      `  -H "Content-Type: application/json" \\`,
      `  -d '${body}'`,
    ].join("\n"),
    python: [
      "from openai import OpenAI",
      "",
      `client = OpenAI(base_url="${apiBase()}")  # the key is read from OPENAI_API_KEY`,
      "answer = client.chat.completions.create(",
      `    model=${JSON.stringify(asked.model)},`,
      `    messages=${python(asked.messages)},`,
      ...(asked.temperature === undefined ? [] : [`    temperature=${asked.temperature},`]),
      ...(asked.max_tokens === undefined ? [] : [`    max_tokens=${asked.max_tokens},`]),
      ")",
      "print(answer.choices[0].message.content)",
    ].join("\n"),
  };
}
