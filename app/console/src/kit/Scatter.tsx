import { Paper, Skeleton, Table, Text, Title } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useTranslation } from "~/i18n/use";
import { axisFigure, plotted } from "~/lib/format";
import { type Figure, TableBeneath } from "./Chart";
import { DOT, placeNames, ticksOver } from "./scatter";

export type ScatterPoint = {
  key: string;
  label: string;
  x: NonNullable<Figure>;
  y: NonNullable<Figure>;
  color: string;
};

type Axis = { label: string; unit: string; format: (figure: NonNullable<Figure>) => string };

const LEFT = 58;
const BOTTOM = 34;
const TOP = 24;
const RIGHT = 12;

/** How far a figure is from the first tick to the last one. */
const along = (figure: number, ticks: number[]): number => {
  const [first, last] = [ticks[0] ?? 0, ticks.at(-1) ?? 1];
  return (figure - first) / (last - first);
};

/**
 * Things by two figures, with their names beside them where there is room. As with every plot its drawing is hidden from who
 * hears the page: they have the summary, and the table of the same numbers, which the keyboard opens.
 */
export function Scatter(props: {
  title: string;
  x: Axis;
  y: Axis;
  points: ScatterPoint[];
  /** What is to be seen, in a sentence, for who does not see it. */
  summary: string;
  loading?: boolean;
  height?: number;
}) {
  const { t } = useTranslation(["kit", "common"]);
  const { ref, width } = useElementSize();
  const { x, y, points } = props;
  const height = props.height ?? 320;
  const tall = height - TOP - BOTTOM;
  const wide = Math.max(0, width - LEFT - RIGHT);
  const figures = (of: "x" | "y") => (points.length ? points.map((each) => plotted(each[of]) ?? 0) : [0]);
  const xTicks = ticksOver(figures("x"), wide < 400 ? 3 : 6);
  const yTicks = ticksOver([0, ...figures("y")]);
  const toX = (figure: number) => along(figure, xTicks) * wide;
  const toY = (figure: number) => (1 - along(figure, yTicks)) * tall;
  const placed = placeNames(
    points.map((each) => ({
      key: each.key,
      label: each.label,
      x: toX(plotted(each.x) ?? 0),
      y: toY(plotted(each.y) ?? 0),
    })),
    wide,
    tall,
  );
  const read = (each: ScatterPoint) =>
    t("kit:scatter.point", {
      name: each.label,
      x: `${x.label} ${x.format(each.x)}`,
      y: `${y.label} ${y.format(each.y)}`,
    });
  return (
    <Paper component="figure" className="tg-chart" p="md">
      <Title order={3} component="figcaption" className="tg-chart-title">
        {props.title}
      </Title>
      {props.loading ? (
        <div aria-busy="true">
          <Skeleton h={height} />
        </div>
      ) : points.length === 0 ? (
        <Text c="dimmed" ta="center" py="xl" mih={height}>
          {t("kit:chart.noData")}
        </Text>
      ) : (
        <>
          <Text className="tg-hidden">{props.summary}</Text>
          <div ref={ref} className="tg-scatter">
            {width > 0 && (
              <svg width={width} height={height} aria-hidden="true">
                <g transform={`translate(${LEFT} ${TOP})`}>
                  <g>
                    {yTicks.map((tick) => (
                      <g key={tick} transform={`translate(0 ${toY(tick)})`}>
                        <line x2={wide} className="tg-scatter-line" />
                        <text x={-8} dy="0.32em" textAnchor="end" className="tg-scatter-tick">
                          {axisFigure(tick)}
                        </text>
                      </g>
                    ))}
                    {xTicks.map((tick) => (
                      <text key={tick} x={toX(tick)} y={tall + 16} textAnchor="middle" className="tg-scatter-tick">
                        {axisFigure(tick)}
                      </text>
                    ))}
                    <text x={-LEFT} y={-8} className="tg-scatter-tick">
                      {t("kit:chart.unit", { title: y.label, unit: y.unit })}
                    </text>
                    <text x={wide} y={tall + 31} textAnchor="end" className="tg-scatter-tick">
                      {t("kit:chart.unit", { title: x.label, unit: x.unit })}
                    </text>
                    {placed.map(
                      (each) =>
                        each.name && (
                          <text
                            key={each.key}
                            x={each.name.x}
                            y={each.name.y}
                            dy="0.32em"
                            textAnchor={each.name.anchor}
                            className="tg-scatter-name"
                          >
                            {each.label}
                          </text>
                        ),
                    )}
                  </g>
                  {placed.map((each, index) => {
                    const point = points[index] as ScatterPoint;
                    return (
                      <circle
                        key={each.key}
                        cx={each.x}
                        cy={each.y}
                        r={DOT}
                        fill={point.color}
                        className="tg-scatter-dot"
                      >
                        <title>{read(point)}</title>
                      </circle>
                    );
                  })}
                </g>
              </svg>
            )}
          </div>
          <TableBeneath title={props.title} name={t("common:name")} figures={[x.label, y.label]}>
            {points.map((each) => (
              <Table.Tr key={each.key}>
                <Table.Td>{each.label}</Table.Td>
                <Table.Td className="tg-num">{x.format(each.x)}</Table.Td>
                <Table.Td className="tg-num">{y.format(each.y)}</Table.Td>
              </Table.Tr>
            ))}
          </TableBeneath>
        </>
      )}
    </Paper>
  );
}
