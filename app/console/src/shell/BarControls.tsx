import { Chip, Group, Select, Tooltip } from "@mantine/core";
import { useTranslation } from "~/i18n/use";
import { type Bar, RANGES, type RangeName, useBar } from "~/lib/range";
import { zones } from "~/lib/zones";
import { CustomRange } from "./CustomRange";

/** The parts of the global bar that a page uses. */
export type BarUse = { range?: boolean; zone?: boolean; compare?: boolean; live?: boolean; otherwise?: RangeName };

export function BarControls(props: { use: BarUse }) {
  const { t } = useTranslation("shell");
  const bar = useBar(props.use.otherwise);
  return (
    <Group gap="xs" mt="sm" className="tg-bar tg-noprint">
      {props.use.range && <RangeSelect bar={bar} />}
      {props.use.zone !== false && (
        <Select
          size="xs"
          w={190}
          aria-label={t("bar.zone")}
          data={zones()}
          value={bar.zone}
          searchable
          limit={60}
          onChange={(zone) => bar.change({ zone: zone ?? undefined })}
        />
      )}
      {props.use.compare && (
        <Tooltip label={t("bar.compareHint")}>
          <div>
            <Chip
              size="xs"
              checked={bar.compare}
              onChange={(on) => bar.change({ compare: on || undefined })}
              data-hotkey="x"
            >
              {t("bar.compare")}
            </Chip>
          </div>
        </Tooltip>
      )}
      {props.use.live && (
        <Tooltip label={t("bar.liveHint")}>
          <div>
            <Chip size="xs" checked={bar.live} onChange={(on) => bar.change({ live: on || undefined })}>
              {t("bar.live")}
            </Chip>
          </div>
        </Tooltip>
      )}
    </Group>
  );
}

function RangeSelect(props: { bar: Bar }) {
  const { t } = useTranslation("shell");
  const { bar } = props;
  const names = [...(Object.keys(RANGES) as RangeName[]), "custom" as const];
  return (
    <>
      <Select
        size="xs"
        w={150}
        aria-label={t("bar.range")}
        data={names.map((name) => ({ value: name, label: t(`bar.${name}`) }))}
        value={bar.range}
        onChange={(name) =>
          bar.change(
            name === "custom"
              ? { range: undefined, from: bar.from, to: bar.to }
              : { range: (name ?? undefined) as RangeName | undefined, from: undefined, to: undefined },
          )
        }
      />
      {bar.range === "custom" && <CustomRange bar={bar} />}
    </>
  );
}
