import { useTranslation } from "~/i18n/use";
import { Status } from "~/kit/Status";
import { type Amount, compareAmounts, percentText } from "~/lib/format";

const TONES = { up: "good", degraded: "warn", down: "bad", quiet: "quiet" } as const;

/** How a model is, by what happened to real requests. */
export function ModelState(props: { state: keyof typeof TONES }) {
  const { t } = useTranslation("account");
  return <Status tone={TONES[props.state]}>{t(`modelStates.${props.state}`)}</Status>;
}

const levelOf = (percent: Amount | null): keyof typeof TONES =>
  percent === null
    ? "quiet"
    : compareAmounts(percent, "99") >= 0
      ? "up"
      : compareAmounts(percent, "90") >= 0
        ? "degraded"
        : "down";

/** A strip of cells, one for each stretch of time, the oldest first; the share stands beside it as text. */
export function Availability(props: {
  cells: (Amount | null)[];
  label: string;
  total: Amount | null;
  wide?: boolean;
  titles?: string[];
}) {
  const { t } = useTranslation("account");
  return (
    <span className={`tg-strip${props.wide ? " tg-strip-wide" : ""}`}>
      <span className="tg-strip-cells" aria-hidden="true">
        {props.cells.map((cell, index) => (
          <span
            // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place in time.
            key={index}
            className={`tg-cell tg-cell-${levelOf(cell)}`}
            title={
              props.titles?.[index] && `${props.titles[index]}: ${cell === null ? t("noRequests") : percentText(cell)}`
            }
          />
        ))}
      </span>
      <span className={props.total === null ? "tg-dim" : undefined}>
        {props.total === null ? t("noRequests") : percentText(props.total)}
      </span>
    </span>
  );
}
