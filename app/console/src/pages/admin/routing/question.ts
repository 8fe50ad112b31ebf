import type { Schema } from "~/api/client";

export type Question = Schema["Question"];
type Surface = NonNullable<Question["surface"]>;

export const SURFACES = [
  "chat",
  "completions",
  "embeddings",
  "images",
  "image_edits",
  "speech",
  "transcriptions",
  "translations",
  "moderations",
  "rerank",
  "count_tokens",
  "realtime",
  "raw",
] as const satisfies readonly Surface[];

export const PROMPT_TOKENS = 1000;
export const OUTPUT_TOKENS = 500;

/** What a pasted request says of itself. */
export type Pasted = {
  model: string;
  surface: Surface;
  needs: ("tools" | "images")[];
  prompt: number;
  output: number | undefined;
  user: string | undefined;
};

const PATHS: readonly [RegExp, Surface][] = [
  [/\/chat\/completions|\/responses|\/messages(?!\/)|:(stream)?generateContent/i, "chat"],
  [/\/messages\/count_tokens/, "count_tokens"],
  [/\/completions/, "completions"],
  [/\/embeddings/, "embeddings"],
  [/\/images\/edits/, "image_edits"],
  [/\/images/, "images"],
  [/\/audio\/speech/, "speech"],
  [/\/audio\/transcriptions/, "transcriptions"],
  [/\/audio\/translations/, "translations"],
  [/\/moderations/, "moderations"],
  [/\/rerank/, "rerank"],
];

/**
 * Read a request that somebody pasted: a JSON body, or a curl command with one. Null where there is no body that names
 * a model. Tokens are guessed: four letters are one, and each Chinese, Japanese or Korean sign is one.
 */
export function readPasted(text: string): Pasted | null {
  const start = text.indexOf("{");
  const end = text.lastIndexOf("}");
  if (start < 0 || end < start) return null;
  const body = parsed(text.slice(start, end + 1));
  if (!body || typeof body.model !== "string" || !body.model) return null;
  const needs: Pasted["needs"] = [];
  if (Array.isArray(body.tools) && body.tools.length > 0) needs.push("tools");
  if (hasImages(body.messages) || hasImages(body.input)) needs.push("images");
  const output = [body.max_completion_tokens, body.max_output_tokens, body.max_tokens].find(
    (each): each is number => typeof each === "number" && Number.isSafeInteger(each) && each >= 0,
  );
  return {
    model: body.model,
    surface: surfaceOf(text.slice(0, start), body),
    needs,
    prompt: Math.ceil(
      [body.messages, body.input, body.prompt, body.system, body.instructions, body.documents, body.query, body.tools]
        .map(weigh)
        .reduce((sum, each) => sum + each, 0),
    ),
    output,
    user: typeof body.user === "string" && body.user ? body.user : undefined,
  };
}

function parsed(text: string): Record<string, unknown> | null {
  // A shell writes a quote within quotes as '\''.
  for (const each of [text, text.replaceAll("'\\''", "'")]) {
    try {
      return JSON.parse(each) as Record<string, unknown>;
    } catch {
      // The other spelling may be it.
    }
  }
  return null;
}

function surfaceOf(before: string, body: Record<string, unknown>): Surface {
  const named = PATHS.find(([path]) => path.test(before));
  if (named) return named[1];
  if (body.messages !== undefined) return "chat";
  if (body.documents !== undefined) return "rerank";
  if (body.voice !== undefined) return "speech";
  if (body.prompt !== undefined) return body.size !== undefined || body.n !== undefined ? "images" : "completions";
  return /embed/i.test(String(body.model)) ? "embeddings" : "chat";
}

function hasImages(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasImages);
  if (typeof value !== "object" || value === null) return false;
  const { type, content } = value as { type?: unknown; content?: unknown };
  return type === "image_url" || type === "input_image" || type === "image" || hasImages(content);
}

function weigh(value: unknown): number {
  if (typeof value === "string") {
    if (/^data:/.test(value)) return 0;
    const wide = value.match(/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/g)?.length ?? 0;
    return wide + (value.length - wide) / 4;
  }
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + weigh(each), 0);
}
