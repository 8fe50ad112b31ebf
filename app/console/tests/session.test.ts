import { beforeEach, describe, expect, it, vi } from "vitest";
import { api, challenges, csrfToken } from "~/api/client";
import { ApiProblem } from "~/api/problem";
import { answer, refusal } from "./render";

const body = { amount: "5", reason: "paid" };
const topUp = () =>
  api.POST("/api/tenants/{tenant_id}/top-ups", {
    params: { path: { tenant_id: 7 }, header: { "Idempotency-Key": "one" } },
    body: body as never,
  });

beforeEach(() => {
  challenges.logIn = null;
  challenges.stepUp = null;
});

describe("a call that needs a password", () => {
  it("is repeated after it was given, with the same body and idempotency key", async () => {
    let asked = 0;
    challenges.stepUp = async () => {
      asked += 1;
      return true;
    };
    const requests = answer({
      "POST /api/tenants/7/top-ups": () => (asked ? { event_id: "e", amount: "5" } : refusal(403, "step_up_required")),
    });
    await topUp();
    expect(asked).toBe(1);
    expect(requests).toHaveLength(2);
    expect(await Promise.all(requests.map((each) => each.json()))).toEqual([body, body]);
    expect(requests.map((each) => each.headers.get("idempotency-key"))).toEqual(["one", "one"]);
  });

  it("fails as refused when the person gives none", async () => {
    challenges.stepUp = async () => false;
    answer({ "POST /api/tenants/7/top-ups": () => refusal(403, "step_up_required") });
    await expect(topUp()).rejects.toMatchObject({ code: "step_up_required", status: 403 });
  });

  it("is repeated after logging in again when the session is over", async () => {
    let loggedIn = false;
    challenges.logIn = async () => {
      loggedIn = true;
      return true;
    };
    answer({ "GET /api/sessions": () => (loggedIn ? { items: [] } : refusal(401, "not_authenticated")) });
    expect((await api.GET("/api/sessions")).data).toEqual({ items: [] });
  });

  it("is not asked for by the login itself", async () => {
    const ask = vi.fn(async () => true);
    challenges.logIn = ask;
    answer({ "POST /api/login": () => refusal(401, "invalid_credentials") });
    await expect(api.POST("/api/login", { body: { login: "a", password: "b" } })).rejects.toBeInstanceOf(ApiProblem);
    expect(ask).not.toHaveBeenCalled();
  });
});

it("sends the token of the cookie with changes", () => {
  expect(csrfToken("a=1; tallygate_csrf=abc")).toBe("abc");
  expect(csrfToken("__Host-tallygate-csrf=x%3D")).toBe("x=");
  expect(csrfToken("tallygate_session=s")).toBeNull();
});

it("shows what is no answer of the API as unreadable, and a dead network as such", async () => {
  answer({ "GET /api/sessions": () => new Response("<html>", { status: 502, headers: { "x-request-id": "r1" } }) });
  await expect(api.GET("/api/sessions")).rejects.toMatchObject({ code: "unreadable", status: 502, requestId: "r1" });
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("failed");
  });
  await expect(api.GET("/api/sessions")).rejects.toMatchObject({ code: "network" });
});
