import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  RouterProvider,
} from "@tanstack/react-router";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import { queryClient } from "~/api/client";
import { theme } from "~/theme";

/** What the API answers: by "GET /api/tenants", a body, a whole response, or a function of the request. */
export type Answers = Record<string, unknown | Response | ((request: Request) => unknown | Promise<unknown>)>;

/** Answer the API's calls; gives the requests made. What was not foreseen is a 404 without a body. */
export function answer(answers: Answers): Request[] {
  const requests: Request[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    requests.push(request.clone());
    const wanted = answers[`${request.method} ${new URL(request.url).pathname}`];
    const body = typeof wanted === "function" ? await wanted(request) : wanted;
    if (body instanceof Response) return body;
    return body === undefined ? new Response("", { status: 404 }) : Response.json(body);
  });
  return requests;
}

/** An error of the API. */
export const refusal = (status: number, code: string, detail = ""): Response =>
  Response.json({ code, detail, status, title: code, type: "about:blank" }, { status });

/** Render with theme, queries and a router around it. */
export function show(element: ReactNode, options: { answers?: Answers; at?: string } = {}) {
  queryClient.clear();
  const requests = answer(options.answers ?? {});
  const root = createRootRoute();
  const any = createRoute({ getParentRoute: () => root, path: "$", component: () => element });
  const home = createRoute({ getParentRoute: () => root, path: "/", component: () => element });
  const router = createRouter({
    routeTree: root.addChildren([home, any]),
    history: createMemoryHistory({ initialEntries: [options.at ?? "/"] }),
  });
  const shown = render(
    <MantineProvider theme={theme} env="test">
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router as never} />
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { ...shown, requests, router };
}
