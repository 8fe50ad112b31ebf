import { TextInput } from "@mantine/core";
import { useTranslation } from "~/i18n/use";
import type { Bar } from "~/lib/range";
import { instantOf, wallTime } from "~/lib/wallTime";

/** Beginning and end by hand, in the bar's zone; the browser's own control, which every keyboard knows. */
export function CustomRange(props: { bar: Bar }) {
  const { t } = useTranslation("shell");
  const { bar } = props;
  const field = (which: "from" | "to") => (
    <TextInput
      key={bar[which]}
      type="datetime-local"
      size="xs"
      aria-label={t(`bar.${which}`)}
      defaultValue={wallTime(bar[which], bar.zone)}
      onBlur={(event) => {
        const chosen = event.currentTarget.value;
        if (chosen && chosen !== wallTime(bar[which], bar.zone))
          bar.change({ from: bar.from, to: bar.to, [which]: instantOf(chosen, bar.zone) });
      }}
    />
  );
  return (
    <>
      {field("from")}
      {field("to")}
    </>
  );
}
