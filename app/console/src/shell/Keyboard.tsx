import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import type { NavEntry } from "~/nav";

const KeyboardHelp = lazy(() => import("./KeyboardHelp"));

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** How long a letter may come after `g`. */
const PATIENCE = 1500;

/** `/` search, `g` and a letter to go, `x` compare, `?` help: short cuts, never the only way. */
export function Keyboard(props: { entries: readonly NavEntry[]; params: Record<string, string> }) {
  const navigate = useNavigate();
  const [help, setHelp] = useState(false);
  const { entries, params } = props;

  useEffect(() => {
    let gone = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
      // In a dialog, keys belong to the dialog.
      if (document.querySelector('[role="dialog"]')) return;
      if (Date.now() - gone < PATIENCE) {
        gone = 0;
        const entry = entries.find((each) => each.letter === event.key);
        if (entry) {
          event.preventDefault();
          void navigate({ to: entry.to, params } as never);
        }
        return;
      }
      if (event.key === "g") gone = Date.now();
      else if (event.key === "?") setHelp(true);
      else if (event.key === "/") {
        const field = document.querySelector<HTMLInputElement>("input[data-search]");
        if (field) {
          event.preventDefault();
          field.focus();
        }
      } else if (event.key === "x") document.querySelector<HTMLElement>('[data-hotkey="x"]')?.click();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [entries, params, navigate]);

  return (
    help && (
      <Suspense fallback={null}>
        <KeyboardHelp entries={entries} onClose={() => setHelp(false)} />
      </Suspense>
    )
  );
}
