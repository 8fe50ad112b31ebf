import { ask as askLive } from "~/pages/admin/live/questions";
import { ask as askOverview } from "~/pages/admin/overview/questions";
import { ask as askHome } from "~/pages/tenant/home/questions";
import { ask as askRequests } from "~/pages/tenant/requests/questions";
import { basepath } from "~/site";

type Search = Record<string, unknown>;

const QUESTIONS: readonly [RegExp, (search: Search, id: string) => void][] = [
  [/^\/admin(?:\/overview)?$/, (search) => askOverview(search)],
  [/^\/admin\/live$/, (search) => askLive(search)],
  [/^\/t\/(\d+)$/, (search, id) => askHome(Number(id), search)],
  [/^\/t\/(\d+)\/requests$/, (search, id) => askRequests(Number(id), search)],
];

/** A search as the router reads it: values are JSON where they can be. */
export function parsed(text: string): Search {
  const read = (value: string): unknown => {
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  };
  return Object.fromEntries([...new URLSearchParams(text)].map(([key, value]) => [key, read(value)]));
}

/** Ask what the first page shows, while the scripts that draw it are still on their way. */
export function askFirst(at: Pick<Location, "pathname" | "search"> = location): void {
  const path = at.pathname.slice(basepath.length).replace(/\/$/, "");
  for (const [pattern, ask] of QUESTIONS) {
    const found = pattern.exec(path);
    if (found) ask(parsed(at.search), found[1] ?? "");
  }
}
