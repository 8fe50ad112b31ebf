import { type ComponentProps, type ComponentType, lazy, Suspense } from "react";
import { patiently } from "~/lib/patiently";
import { whenQuiet } from "~/lib/quiet";
import type Drawn from "./Markdown";

type Props = ComponentProps<typeof Drawn>;

/** The text as it was written, where what draws it cannot be loaded. */
const Plain = (props: Props) => (props.isHtml ? null : props.text);
const load = () => patiently<{ default: ComponentType<Props> }>(() => import("./Markdown"), { default: Plain });
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
