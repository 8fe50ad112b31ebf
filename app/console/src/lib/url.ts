import { type LinkProps, useNavigate, useSearch } from "@tanstack/react-router";

/**
 * What the page keeps in its URL, and how to change it: `const [search, setSearch] = useUrl(route)`, where `route` is the
 * page's own route. `undefined` takes a parameter out. Changes replace the entry of the history, unless `push` says that
 * the back button should undo them (a side panel opened).
 */
export function useUrl<S extends object>(route: {
  types: { fullSearchSchema: S };
}): [S, (patch: Partial<S>, options?: { push?: boolean }) => void] {
  // The route is there for its types: the page is shown by it, so the parameters are its own, validated.
  const search = useSearch({ strict: false }) as unknown as S & typeof route.types.fullSearchSchema;
  const navigate = useNavigate();
  return [
    search,
    (patch, options) =>
      void navigate({ to: ".", search: ((old: object) => ({ ...old, ...patch })) as never, replace: !options?.push }),
  ];
}

/** Where a row of a list leads that opens beside it. */
export const besideList = (row: { id: string }): LinkProps => ({
  to: ".",
  search: ((old: object) => ({ ...old, row: row.id })) as never,
});

/** The bar's keys, which every tab of a page shares. */
const BAR = ["range", "from", "to", "zone", "compare", "live"];

/** What a change of tab takes out of the URL: what narrowed one list says nothing to another; the bar's range stays. */
export function cleared(search: object): Record<string, undefined> {
  const own = Object.keys(search).filter((key) => !BAR.includes(key));
  return Object.fromEntries(own.map((key) => [key, undefined]));
}
