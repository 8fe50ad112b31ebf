import type { ReactNode } from "react";

/** What is wider or higher than its place: it scrolls by itself, by the keyboard too. `label` names it. */
export function Scroll(props: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard.
    <section className="tg-table-scroll" tabIndex={0} aria-label={props.label}>
      {props.children}
    </section>
  );
}
