import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { type Bar, type BarSearch, barOf, DEFAULT_RANGE, type RangeName, thisMinute } from "./span";

export * from "./span";

/** The global bar's state: `const bar = useBar()`; pages that use it say so by `<Page bar={{ range: true }}>`. */
export function useBar(otherwise: RangeName = DEFAULT_RANGE): Bar {
  const search = useSearch({ strict: false }) as BarSearch;
  const navigate = useNavigate();
  const minute = thisMinute();
  return useMemo(
    () => ({
      ...barOf(search, otherwise, minute),
      change: (patch) =>
        void navigate({ to: ".", search: ((old: BarSearch) => ({ ...old, ...patch })) as never, replace: true }),
    }),
    [search, minute, otherwise, navigate],
  );
}
