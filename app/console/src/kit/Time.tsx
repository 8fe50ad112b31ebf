import { Tooltip } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { date, dateTime, homeZone, relative, timeOfDay } from "~/lib/format";

/** The zone of the global bar, else the browser's. */
export function useZone(): string {
  const search = useSearch({ strict: false, shouldThrow: false }) as { zone?: string } | undefined;
  return search?.zone ?? homeZone();
}

/**
 * A moment. `relative` (the default) says how long ago, `full` date and time with zone, `clock` the time of day, `date`
 * the day; the tooltip has both the full form and the distance. `null` is never.
 */
export function Time(props: { at: string | null | undefined; form?: "relative" | "full" | "clock" | "date" }) {
  const { t } = useTranslation("common");
  const zone = useZone();
  if (!props.at) return <span className="tg-dim">{t("never")}</span>;
  const full = dateTime(props.at, zone);
  const shown = {
    relative: () => relative(props.at as string),
    full: () => full,
    clock: () => timeOfDay(props.at as string, zone),
    date: () => date(props.at as string, zone),
  }[props.form ?? "relative"]();
  return (
    <Tooltip label={props.form === "full" ? relative(props.at) : full}>
      <time dateTime={props.at} className="tg-time">
        {shown}
      </time>
    </Tooltip>
  );
}
