import { Icon, type IconName } from "./Icon";

export type Tone = "good" | "warn" | "bad" | "info" | "quiet";

const SHAPES: Record<Tone, IconName> = {
  good: "circle",
  warn: "triangle",
  bad: "square",
  info: "diamond",
  quiet: "minus",
};

/** How something stands: a shape, a color and a word, so that no one of them has to be seen. */
export function Status(props: { tone: Tone; children: string; title?: string; wrap?: boolean }) {
  return (
    <span className={`tg-status tg-${props.tone}${props.wrap ? " tg-wrap" : ""}`} title={props.title}>
      <Icon name={SHAPES[props.tone]} size={10} filled={props.tone !== "quiet"} />
      <span>{props.children}</span>
    </span>
  );
}
