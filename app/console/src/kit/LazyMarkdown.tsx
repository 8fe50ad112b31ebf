import { lazy, Suspense } from "react";

const Inner = lazy(() => import("./Markdown"));

/** Markdown, or with `isHtml` HTML, from its own chunk: most pages have none. */
export function Markdown(props: { text: string; isHtml?: boolean }) {
  if (!props.text.trim()) return null;
  return (
    <Suspense fallback={null}>
      <Inner text={props.text} isHtml={props.isHtml} />
    </Suspense>
  );
}

/** HTML that an operator wrote, sanitized. */
export function Html(props: { text: string }) {
  return (
    <Suspense fallback={null}>
      <Inner text={props.text} isHtml />
    </Suspense>
  );
}
