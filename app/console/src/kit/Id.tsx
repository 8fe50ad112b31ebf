import { Tooltip } from "@mantine/core";
import { Copy } from "./Copy";

/** An id: short to the eye, whole on demand, copied with a click. `keep` is how many characters of its end are shown. */
export function Id(props: { value: string | number; keep?: number; what?: string }) {
  const whole = String(props.value);
  const keep = props.keep ?? 8;
  const shown = whole.length > keep + 6 ? `${whole.slice(0, 4)}…${whole.slice(-keep)}` : whole;
  return (
    <span className="tg-id">
      <Tooltip label={whole} disabled={shown === whole}>
        <code>{shown}</code>
      </Tooltip>
      <Copy value={whole} what={props.what ?? whole} size={20} />
    </span>
  );
}
