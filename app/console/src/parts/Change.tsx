import { useTranslation } from "~/i18n/use";
import { type Amount, percent, plotted } from "~/lib/format";

/** How a figure differs from the one of the span before, with an arrow and words: never by color alone. */
export function Change(props: { now: number | Amount; before: number | Amount; against?: "before" | "typical" }) {
  const { t } = useTranslation("account");
  const now = plotted(props.now) ?? 0;
  const before = plotted(props.before) ?? 0;
  const against = props.against ?? "before";
  if (before === 0) return t(`change.${against}.new`);
  const share = (now - before) / before;
  return (
    <>
      {Math.abs(share) < 0.0005
        ? t(`change.${against}.same`)
        : share > 0
          ? t(`change.${against}.more`, { share: percent(share) })
          : t(`change.${against}.less`, { share: percent(-share) })}
    </>
  );
}
