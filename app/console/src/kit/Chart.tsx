import { Accordion, Paper, Skeleton, Table, Text, Title } from "@mantine/core";
import { type ComponentProps, type ComponentType, lazy, type ReactNode, Suspense, useMemo } from "react";
import { useTranslation } from "~/i18n/use";
import { type Amount, addAmounts, dateTime, listed, plotted } from "~/lib/format";
import { patiently } from "~/lib/patiently";
import { whenQuiet } from "~/lib/quiet";
import type DrawnPlot from "./ChartPlot";
import { seriesColor } from "./colors";
import { Scroll } from "./Scroll";
import { useZone } from "./Time";

/** What stands for the drawing where it cannot be loaded: the table has the same numbers. */
function Undrawn() {
  const { t } = useTranslation("kit");
  return (
    <Text c="dimmed" size="sm" ta="center" py="xl">
      {t("chart.undrawn")}
    </Text>
  );
}

const Plot = lazy<ComponentType<ComponentProps<typeof DrawnPlot>>>(() =>
  whenQuiet().then(() => patiently(() => import("./ChartPlot"), { default: Undrawn })),
);

export type Series = { key: string; label: string; color?: string };
/** A figure, or an amount as the API gives it, or null where nothing is known: a gap. */
export type Figure = number | Amount | null;
export type Point = {
  /** When the bucket begins, or the name of a category. */
  at: string;
  /** The bucket is not over: drawn hatched, and said so in the table. */
  partial?: boolean;
  values: Record<string, Figure>;
};

export type ChartProps = {
  title: string;
  /** What the figures count: "USD", "requests". It stands above the axis, as its title. */
  unit: string;
  kind: "bars" | "lines" | "area" | "step";
  points: Point[];
  series: Series[];
  stacked?: boolean;
  /** How a figure is written, in the table and beside the pointer. Amounts reach it as text, exact. */
  format: (figure: number | Amount) => string;
  /** The same, shorter, for the axis. */
  axis?: (figure: number) => string;
  /** `at` is a moment (the default) or a category. */
  categories?: boolean;
  /** How a moment is written on the axis; by the distance of the points if left out. */
  hours?: boolean;
  /** From where to where the axis goes, where the figures do not say it: shares. */
  domain?: [number, number];
  height?: number;
  /** The figures are still to come: room is kept for them. */
  loading?: boolean;
  /** A column of sums in the table. */
  totals?: boolean;
};

/**
 * A chart with its table. Bars begin at zero, gaps are gaps, the last bucket is hatched while it runs, and a key has
 * the same color on all pages. The drawing is a lazy chunk; title, summary and table are there before it.
 */
export function Chart(props: ChartProps) {
  const { t } = useTranslation("kit");
  const zone = useZone();
  const height = props.height ?? 240;
  const series = useMemo(
    () => props.series.map((each) => ({ ...each, color: each.color ?? seriesColor(each.key) })),
    [props.series],
  );
  const nameOf = (point: Point) => (props.categories ? point.at : dateTime(point.at, zone));
  const first = props.points[0];
  const last = props.points[props.points.length - 1];
  return (
    <Paper component="figure" className="tg-chart" p="md">
      <Title order={3} component="figcaption" className="tg-chart-title">
        {props.title}
      </Title>
      {props.loading ? (
        <div aria-busy="true">
          <Skeleton h={height} />
        </div>
      ) : !first || !last || series.length === 0 ? (
        <Text c="dimmed" ta="center" py="xl" mih={height}>
          {t("chart.noData")}
        </Text>
      ) : (
        <>
          <Text className="tg-hidden">
            {t("chart.summary", {
              title:
                props.unit === props.title ? props.title : t("chart.unit", { title: props.title, unit: props.unit }),
              series: listed(series.map((each) => each.label)),
              from: nameOf(first),
              to: nameOf(last),
              highlights: series
                .map((each) => peak(each, props.points))
                .filter((each) => each !== null)
                .map(({ label, figure, point }) =>
                  t("chart.peak", { name: label, value: props.format(figure), at: nameOf(point) }),
                )
                .join("; "),
            })}
          </Text>
          <div aria-hidden="true">
            {/* The title of the axis. Beside a title that is the same word it would say nothing. */}
            {props.unit !== props.title && <div className="tg-chart-unit">{props.unit}</div>}
            <Suspense fallback={<Skeleton h={height} />}>
              <Plot {...props} series={series} height={height} zone={zone} />
            </Suspense>
          </div>
          <ul className="tg-legend" aria-hidden="true">
            {series.map((each) => (
              <li key={each.key}>
                <span className="tg-swatch" style={{ background: each.color }} />
                {each.label}
              </li>
            ))}
          </ul>
          <ChartTable {...props} nameOf={nameOf} />
        </>
      )}
    </Paper>
  );
}

function peak(series: Series, points: Point[]): { label: string; figure: number | Amount; point: Point } | null {
  let best: { figure: number | Amount; height: number; point: Point } | null = null;
  for (const point of points) {
    const figure = point.values[series.key] ?? null;
    const height = plotted(figure);
    if (figure !== null && height !== null && (best === null || height > best.height)) best = { figure, height, point };
  }
  return best && { label: series.label, figure: best.figure, point: best.point };
}

function total(figures: Figure[]): number | Amount | null {
  const known = figures.filter((each) => each !== null);
  if (known.length === 0) return null;
  if (known.every((each) => typeof each === "string")) return addAmounts(...known);
  return known.reduce<number>((sum, each) => sum + (plotted(each) ?? 0), 0);
}

function ChartTable(props: ChartProps & { nameOf: (point: Point) => string }) {
  const { t } = useTranslation(["kit", "common"]);
  const written = (figure: Figure | undefined) =>
    figure === null || figure === undefined ? <span className="tg-dim">–</span> : props.format(figure);
  return (
    <TableBeneath
      title={props.title}
      name={props.categories ? t("common:name") : t("kit:chart.time")}
      figures={[...props.series.map((each) => each.label), ...(props.totals ? [t("kit:chart.total")] : [])]}
    >
      {props.points.map((point) => (
        <Table.Tr key={point.at}>
          <Table.Td>
            {props.nameOf(point)}
            {point.partial && <span className="tg-dim">{` (${t("kit:chart.partial")})`}</span>}
          </Table.Td>
          {props.series.map((each) => (
            <Table.Td key={each.key} className="tg-num">
              {written(point.values[each.key])}
            </Table.Td>
          ))}
          {props.totals && (
            <Table.Td className="tg-num">
              {written(total(props.series.map((each) => point.values[each.key] ?? null)))}
            </Table.Td>
          )}
        </Table.Tr>
      ))}
    </TableBeneath>
  );
}

/** The numbers of a plot, folded away beneath it: its rows are the children. */
export function TableBeneath(props: { title: string; name: string; figures: string[]; children: ReactNode }) {
  const { t } = useTranslation("kit");
  return (
    <Accordion variant="default" chevronPosition="left" className="tg-chart-table">
      <Accordion.Item value="table">
        <Accordion.Control>{t("chart.table")}</Accordion.Control>
        <Accordion.Panel>
          <Scroll label={props.title}>
            <Table className="tg-table" data-density="compact">
              <Table.Caption className="tg-hidden">{props.title}</Table.Caption>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{props.name}</Table.Th>
                  {props.figures.map((each) => (
                    <Table.Th key={each} className="tg-num">
                      {each}
                    </Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>{props.children}</Table.Tbody>
            </Table>
          </Scroll>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}

/** A line without axes, for a cell or a tile. What it shows stands beside it as text. */
export function Sparkline(props: { figures: Figure[]; color?: string; width?: number; height?: number }) {
  const width = props.width ?? 96;
  const height = props.height ?? 24;
  const heights = props.figures.map(plotted);
  const top = Math.max(1e-12, ...heights.map((each) => each ?? 0));
  const step = width / Math.max(1, heights.length - 1);
  let path = "";
  let pen = "M";
  heights.forEach((each, index) => {
    if (each === null) pen = "M";
    else {
      path += `${pen}${(index * step).toFixed(1)} ${(height - 1.5 - (each / top) * (height - 3)).toFixed(1)}`;
      pen = "L";
    }
  });
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true" className="tg-sparkline">
      <path d={path} fill="none" stroke={props.color ?? "var(--mantine-primary-color-filled)"} strokeWidth={1.5} />
    </svg>
  );
}
