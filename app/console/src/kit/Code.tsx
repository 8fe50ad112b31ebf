import { useTranslation } from "~/i18n/use";
import { Copy } from "./Copy";

/** A text to be copied: a command, a body. Lines stay as they are; long ones scroll. */
export function Code(props: { text: string; label?: string }) {
  const { t } = useTranslation("kit");
  return (
    <div className="tg-code">
      {/* biome-ignore lint/a11y: what scrolls must be reached by the keyboard. */}
      <pre tabIndex={0} role="region" aria-label={props.label ?? t("code")}>
        <code>{props.text}</code>
      </pre>
      <Copy value={props.text} />
    </div>
  );
}
