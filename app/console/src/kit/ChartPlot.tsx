import { useId } from "react";
import {
  Area,
  AreaChart,
  Bar,
  BarChart,
  CartesianGrid,
  Line,
  LineChart,
  Rectangle,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from "recharts";
import { axisFigure, dateTime, plotted, tick } from "~/lib/format";
import type { ChartProps, Point, Series } from "./Chart";

type Row = { at: string; name: string; partial: boolean } & Record<string, number | string | boolean | null>;

type Props = ChartProps & { series: (Series & { color: string })[]; height: number; zone: string };

const DAY = 86_400_000;

/** The drawing of a chart; the only module that knows recharts. */
export default function ChartPlot(props: Props) {
  const hatch = useId().replaceAll(":", "");
  const { points, series } = props;
  const hours = props.hours ?? isWithinDays(points);
  const rows = points.map((point, index): Row => {
    const row: Row = { at: point.at, name: point.at, partial: point.partial ?? false, index };
    for (const each of series) row[`y:${each.key}`] = plotted(point.values[each.key] ?? null);
    return row;
  });
  const axes = (
    <>
      <CartesianGrid vertical={false} stroke="var(--tg-line)" />
      <XAxis
        dataKey="at"
        tickFormatter={(at: string) => (props.categories ? at : tick(at, hours, props.zone))}
        tick={{ fontSize: 11, fill: "var(--tg-text-dim)" }}
        axisLine={{ stroke: "var(--tg-line)" }}
        tickLine={false}
        minTickGap={28}
      />
      <YAxis
        tickFormatter={props.axis ?? axisFigure}
        tick={{ fontSize: 11, fill: "var(--tg-text-dim)" }}
        axisLine={false}
        tickLine={false}
        width={58}
        domain={props.domain ?? extent(rows, series)}
        // Half a request or connection is none.
        allowDecimals={!isWhole(rows, series)}
      />
      <Tooltip
        isAnimationActive={false}
        cursor={{ fill: "var(--tg-hover)", stroke: "var(--tg-line)" }}
        content={({ active, label }) => {
          const point = active ? points.find((each) => each.at === label) : undefined;
          return point ? <Reading point={point} {...props} /> : null;
        }}
      />
    </>
  );
  const common = {
    // The plot is hidden from screen readers, who have the table: then nothing in it may take the focus.
    accessibilityLayer: false,
    data: rows,
    margin: { top: 8, right: 8, bottom: 0, left: 0 },
  };
  return (
    <ResponsiveContainer width="100%" height={props.height}>
      {props.kind === "bars" ? (
        <BarChart {...common}>
          <defs>
            {series.map((each) => (
              <pattern
                key={each.key}
                id={`${hatch}-${series.indexOf(each)}`}
                width={6}
                height={6}
                patternUnits="userSpaceOnUse"
                patternTransform="rotate(45)"
              >
                <rect width={6} height={6} fill={each.color} opacity={0.25} />
                <rect width={2.5} height={6} fill={each.color} />
              </pattern>
            ))}
          </defs>
          {axes}
          {series.map((each, index) => (
            <Bar
              key={each.key}
              dataKey={`y:${each.key}`}
              name={each.label}
              stackId={props.stacked ? "all" : undefined}
              fill={each.color}
              isAnimationActive={false}
              maxBarSize={40}
              shape={(bar: object) => (
                <Rectangle
                  {...bar}
                  fill={(bar as { payload?: Row }).payload?.partial ? `url(#${hatch}-${index})` : each.color}
                />
              )}
            />
          ))}
        </BarChart>
      ) : props.kind === "area" ? (
        <AreaChart {...common}>
          {axes}
          {series.map((each) => (
            <Area
              key={each.key}
              dataKey={`y:${each.key}`}
              name={each.label}
              stackId={props.stacked ? "all" : undefined}
              stroke={each.color}
              fill={each.color}
              fillOpacity={0.2}
              connectNulls={false}
              isAnimationActive={false}
            />
          ))}
        </AreaChart>
      ) : (
        <LineChart {...common}>
          {axes}
          {series.map((each) => (
            <Line
              key={each.key}
              type={props.kind === "step" ? "stepAfter" : "linear"}
              dataKey={`y:${each.key}`}
              name={each.label}
              stroke={each.color}
              strokeWidth={2}
              dot={(dot: DotProps) => (
                <Lone key={dot.index} {...dot} color={each.color ?? ""} rows={rows} field={`y:${each.key}`} />
              )}
              connectNulls={false}
              isAnimationActive={false}
            />
          ))}
        </LineChart>
      )}
    </ResponsiveContainer>
  );
}

/** Every figure that is drawn. */
const figures = (rows: Row[], series: Series[]): number[] =>
  rows.flatMap((row) => series.map((each) => row[`y:${each.key}`])).filter((each) => typeof each === "number");

const isWhole = (rows: Row[], series: Series[]): boolean => figures(rows, series).every(Number.isInteger);

/** From zero, so that heights can be compared; where nothing is above it, to one, or the axis would have no length. */
function extent(rows: Row[], series: Series[]): [number | "auto", number | "auto"] {
  const drawn = figures(rows, series);
  return [drawn.some((each) => each < 0) ? "auto" : 0, drawn.some((each) => each !== 0) ? "auto" : 1];
}

type DotProps = { cx?: number; cy?: number; index?: number };

/** A value between two gaps has no line: it is drawn as a dot, or nobody would see it. */
function Lone(props: DotProps & { color: string; rows: Row[]; field: string }) {
  const { cx, cy, index = 0, rows, field } = props;
  const isThere = (at: number) => typeof rows[at]?.[field] === "number";
  if (cx === undefined || cy === undefined || !isThere(index) || isThere(index - 1) || isThere(index + 1)) return <g />;
  return <circle cx={cx} cy={cy} r={3} fill={props.color} />;
}

function isWithinDays(points: Point[]): boolean {
  const first = points[0];
  const last = points[points.length - 1];
  return first !== undefined && last !== undefined && Date.parse(last.at) - Date.parse(first.at) <= 2 * DAY;
}

/** The figures at the pointer. */
function Reading(props: Props & { point: Point }) {
  return (
    <div className="tg-reading">
      <div className="tg-reading-head">{props.categories ? props.point.at : dateTime(props.point.at, props.zone)}</div>
      {props.series.map((each) => {
        const figure = props.point.values[each.key] ?? null;
        return (
          <div key={each.key} className="tg-reading-row">
            <span className="tg-swatch" style={{ background: each.color }} />
            <span>{each.label}</span>
            <span className="tg-num">{figure === null ? "–" : props.format(figure)}</span>
          </div>
        );
      })}
    </div>
  );
}
