import { QueryClient } from "@tanstack/react-query";
import createFetchClient, { type Middleware } from "openapi-fetch";
import { currentLocale } from "~/lib/format";
import { address } from "~/site";
import { ApiProblem, problemOf } from "./problem";
import type { components, paths } from "./schema";

export type Schema = components["schemas"];

/** Who asks a person for a password while a call waits; the session layer sets it. Each gives whether to repeat. */
export const challenges: {
  logIn: (() => Promise<boolean>) | null;
  stepUp: (() => Promise<boolean>) | null;
  changePassword: (() => void) | null;
} = { logIn: null, stepUp: null, changePassword: null };

const CSRF_COOKIES = ["__Host-tallygate-csrf", "tallygate_csrf"];

export function csrfToken(cookies: string = document.cookie): string | null {
  for (const pair of cookies.split("; ")) {
    const at = pair.indexOf("=");
    if (CSRF_COOKIES.includes(pair.slice(0, at))) return decodeURIComponent(pair.slice(at + 1));
  }
  return null;
}

/** Calls that are the asking for a password themselves: a dialog over a dialog helps nobody. */
const UNCHALLENGED = /\/api\/(login|logout|step-up|password|me|links|site|sign-up|password-reset)(\/|$)/;

async function send(request: Request): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.set("accept-language", currentLocale());
  const token = csrfToken();
  if (request.method !== "GET" && token) headers.set("x-csrf-token", token);
  try {
    return await fetch(new Request(request, { headers, credentials: "same-origin" }));
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === "AbortError") throw thrown;
    throw new ApiProblem("network", 0, String(thrown));
  }
}

/**
 * One call, repeated after the person has logged in again or given the password again: what they typed, and the
 * idempotency key, are those of the first try.
 */
export async function challengedFetch(request: Request): Promise<Response> {
  for (let tries = 0; ; tries++) {
    const response = await send(request.clone());
    if (response.ok || tries > 2 || UNCHALLENGED.test(new URL(request.url).pathname)) return response;
    if (response.status !== 401 && response.status !== 403) return response;
    const { code } = await problemOf(response.clone());
    if (code === "password_change_required") challenges.changePassword?.();
    const ask =
      code === "not_authenticated" ? challenges.logIn : code === "step_up_required" ? challenges.stepUp : null;
    if (!ask || !(await ask())) return response;
  }
}

const refusals: Middleware = {
  async onResponse({ response }) {
    if (!response.ok) throw await problemOf(response);
    return response;
  },
};

const client = createFetchClient<paths>({
  baseUrl: address("").replace(/\/$/, ""),
  fetch: challengedFetch,
  // Lists as repeated parameters, which is how the API reads them.
  querySerializer: { array: { style: "form", explode: true } },
});
client.use(refusals);

/** The typed client, for handlers: `await api.POST("/api/tenants", { body })`. A refusal is thrown as an `ApiProblem`. */
export const api = client;

/** The body of an answer that was good. */
export async function data<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: true,
      // Whoever was refused is refused again; a network that hiccups is not.
      retry: (failures, error) =>
        failures < 2 && (!(error instanceof ApiProblem) || error.status === 0 || error.status >= 502),
    },
    mutations: { retry: false },
  },
});

/** The `If-Match` for a thing as it was read. */
export const ifMatch = (read: { version: number }): string => `"${read.version}"`;
