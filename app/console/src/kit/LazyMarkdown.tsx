import { lazy, Suspense } from "react";

const Inner = lazy(() => import("./Markdown"));

/** Markdown from its own chunk: most pages have none. */
export function Markdown(props: { text: string }) {
  if (!props.text.trim()) return null;
  return (
    <Suspense fallback={null}>
      <Inner text={props.text} />
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
