import { Table } from "@mantine/core";
import { useTranslation } from "~/i18n/use";
import { milliseconds } from "~/lib/format";
import { seriesColor } from "./colors";

export type Span = {
  key: string;
  label: string;
  startMilliseconds: number;
  /** Null: not over. */
  milliseconds: number | null;
  tone?: "good" | "warn" | "bad" | "quiet";
  note?: string;
};

/** Steps of one thing over time, each with its bar; the numbers stand beside the bars. */
export function Waterfall(props: { spans: Span[]; totalMilliseconds?: number; caption?: string }) {
  const { t } = useTranslation("kit");
  const end = Math.max(
    1,
    props.totalMilliseconds ?? 0,
    ...props.spans.map((span) => span.startMilliseconds + (span.milliseconds ?? 0)),
  );
  return (
    <Table className="tg-waterfall" withRowBorders={false}>
      <Table.Caption className="tg-hidden">{props.caption ?? t("waterfall.caption")}</Table.Caption>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t("waterfall.step")}</Table.Th>
          <Table.Th className="tg-num">{t("waterfall.start")}</Table.Th>
          <Table.Th className="tg-num">{t("waterfall.duration")}</Table.Th>
          <Table.Th aria-hidden="true" />
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {props.spans.map((span) => {
          const width = (100 * (span.milliseconds ?? end - span.startMilliseconds)) / end;
          return (
            <Table.Tr key={span.key}>
              <Table.Td>
                {span.label}
                {span.note && <span className="tg-dim">{` ${span.note}`}</span>}
              </Table.Td>
              <Table.Td className="tg-num">{milliseconds(span.startMilliseconds)}</Table.Td>
              <Table.Td className="tg-num">
                {span.milliseconds === null ? "–" : milliseconds(span.milliseconds)}
              </Table.Td>
              <Table.Td className="tg-waterfall-lane" aria-hidden="true">
                <div
                  className={`tg-waterfall-bar${span.tone ? ` tg-bar-${span.tone}` : ""}`}
                  style={{
                    marginInlineStart: `${(100 * span.startMilliseconds) / end}%`,
                    width: `max(2px, ${width}%)`,
                    background: span.tone ? undefined : seriesColor(span.key),
                  }}
                />
              </Table.Td>
            </Table.Tr>
          );
        })}
      </Table.Tbody>
    </Table>
  );
}
