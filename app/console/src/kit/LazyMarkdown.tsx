import { lazy, Suspense } from "react";
import { whenQuiet } from "~/lib/quiet";

const load = () => import("./Markdown");
const Inner = lazy(load);
const Later = lazy(() => whenQuiet().then(load));

/**
 * Markdown, or with `isHtml` HTML, from its own chunk: most pages have none. What `canWait`, as a footer can, is loaded
 * after what the page is for.
 */
export function Markdown(props: { text: string; isHtml?: boolean; canWait?: boolean }) {
  if (!props.text.trim()) return null;
  const Shown = props.canWait ? Later : Inner;
  return (
    <Suspense fallback={null}>
      <Shown text={props.text} isHtml={props.isHtml} />
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
