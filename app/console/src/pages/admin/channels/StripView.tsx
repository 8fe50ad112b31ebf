import { useTranslation } from "~/i18n/use";
import { useZone } from "~/kit/Time";
import { timeOfDay } from "~/lib/format";
import { type Strip, sum } from "./channel";

/** A mark for each cell: its height is full, the part that failed is dark, no requests leave a faint line. */
export function StripView(props: { strip: Strip; startsAt: string; minutes: number; height?: number }) {
  const { t } = useTranslation("adminChannels");
  const zone = useZone();
  const { answered, failed } = props.strip;
  const height = props.height ?? 22;
  const start = Date.parse(props.startsAt);
  return (
    <svg
      className="tg-strip"
      viewBox={`0 0 ${answered.length * 2} ${height}`}
      preserveAspectRatio="none"
      height={height}
      role="img"
      aria-label={t("strip.summary", { count: sum(answered) + sum(failed), failed: sum(failed) })}
    >
      {answered.map((good, index) => {
        const bad = failed[index] ?? 0;
        const at = start + index * props.minutes * 60_000;
        const share = good + bad === 0 ? 0 : bad / (good + bad);
        const deep = share === 0 ? 0 : Math.max(3, height * share);
        return (
          <g key={at}>
            <title>{t("strip.cell", { time: timeOfDay(new Date(at), zone), answered: good, failed: bad })}</title>
            {good + bad === 0 ? (
              <rect x={index * 2} y={height - 2} width={1.5} height={2} className="tg-strip-none" />
            ) : (
              <>
                <rect x={index * 2} y={0} width={1.5} height={height - deep} className="tg-strip-good" />
                <rect x={index * 2} y={height - deep} width={1.5} height={deep} className="tg-strip-bad" />
              </>
            )}
          </g>
        );
      })}
    </svg>
  );
}
