import type { components } from "./schema";

export type Problem = components["schemas"]["Problem"];
export type ProblemCode = components["schemas"]["ProblemCode"];
/** What can go wrong before the API has a word. */
export type FailureCode = ProblemCode | "network" | "unreadable";

/** An answer that is an error, with what a person needs to report it. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";

  constructor(
    readonly code: FailureCode,
    readonly status: number,
    readonly detail: string,
    readonly requestId: string | null = null,
    readonly body: Partial<Problem> = {},
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(detail);
  }

  /** Where a body or parameter is wrong. */
  get errors(): string[] {
    return this.body.errors ?? [];
  }

  /** Of a bulk request: which of its items cannot be done, and why. */
  get items(): components["schemas"]["ItemProblem"][] {
    return this.body.items ?? [];
  }

  /** What the price lint found. */
  get findings(): components["schemas"]["FindingView"][] {
    return this.body.findings ?? [];
  }
}

export async function problemOf(response: Response): Promise<ApiProblem> {
  const requestId = response.headers.get("x-request-id");
  const wait = response.headers.get("retry-after");
  const text = await response.text();
  try {
    const body = JSON.parse(text) as Partial<Problem>;
    if (body.code)
      return new ApiProblem(
        body.code,
        response.status,
        body.detail ?? "",
        requestId,
        body,
        wait ? Number.parseInt(wait, 10) : null,
      );
  } catch {
    // A proxy's page, or half an answer.
  }
  return new ApiProblem("unreadable", response.status, text.slice(0, 300), requestId);
}

/** Make whatever was thrown a problem that can be shown. */
export function asProblem(thrown: unknown): ApiProblem {
  if (thrown instanceof ApiProblem) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new ApiProblem(thrown instanceof TypeError ? "network" : "unreadable", 0, text);
}
