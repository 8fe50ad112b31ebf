import { Button, Stack, Text } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { Code } from "~/kit/Code";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { type FilterField, Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { snippets } from "~/kit/snippets";
import { compact, compareAmounts, count, milliseconds, money, percent, plotted } from "~/lib/format";
import { type Bar, inZone, type RangeName } from "~/lib/range";
import { Change } from "~/parts/Change";
import { reportCommand } from "~/parts/commands";
import {
  type Dimension,
  groupedPoints,
  isByDaysOfUtc,
  isRest,
  joinedKey,
  measuredPoints,
  REST,
  type Sums,
  seriesOf,
  splitKey,
  totals,
  type UsageFilters,
  useTop,
  useUsage,
} from "~/parts/usage";
import { address, site } from "~/site";

type Row = { key: string; keys: Record<string, string>; sums: Sums; before: string | null };

const ROWS_MAX = 500;

export const cacheable = (sums: Sums) =>
  sums.input_tokens + sums.cached_input_tokens + sums.cache_write_tokens + sums.cache_write_1h_tokens;

/** The margin as a share of what was charged; nothing of nothing has none. */
const marginShare = (sums: { charged: string; margin: string | null }): string => {
  const charged = plotted(sums.charged);
  const margin = plotted(sums.margin);
  return charged && margin !== null ? percent(margin / charged) : "–";
};

/** Usage over time and by group: the operator's page, and the tenant's. */
export function UsageReport<S extends Record<string, unknown>>(props: {
  title: string;
  about: string;
  bar: Bar;
  otherwise: RangeName;
  zone?: boolean;
  /** What to group by, the first of it most. */
  by: readonly Dimension[];
  /** The input that chooses it. */
  groupBy: ReactNode;
  filters: UsageFilters;
  /** Those of the filters that somebody chose, and how to change them. */
  fields: FilterField[];
  search: S;
  setSearch: (patch: Partial<S>) => void;
  nameOf: (dimension: Dimension, key: string) => string;
  /** The requests that a row is the sum of. */
  entriesOf: (keys: Record<string, string>) => LinkProps;
  /** The same report, of this row alone. */
  drillInto?: (dimension: Dimension, key: string) => LinkProps;
  /** Vendor cost and margin beside what was charged. */
  withCost?: boolean;
  /** A model for the command that makes some usage. */
  model: string;
}) {
  const { t } = useTranslation(["usage", "common"]);
  const { by, filters } = props;
  const utc = isByDaysOfUtc(filters, by) && props.bar.bucket === "day";
  const bar = utc ? inZone(props.bar, "UTC") : props.bar;
  const asked = { ...filters, from: bar.from, to: bar.to };
  const time = { bucket: bar.bucket, zone: bar.zone };
  const refetchInterval = bar.live ? 5000 : false;
  const grouping = by.join(",");
  const byGroup = useUsage({ ...asked, ...time, by: grouping, top: 8 }, { refetchInterval });
  // What has two tags is in two groups: sums over all of it are asked for without groups.
  const overlaps = by.includes("tag");
  const together = useUsage({ ...asked, ...time }, { enabled: overlaps, refetchInterval });
  const whole = overlaps ? together : byGroup;
  const before = useUsage(
    { ...filters, ...bar.before, zone: bar.zone, bucket: bar.bucket === "minute" ? "hour" : bar.bucket },
    { enabled: bar.compare },
  );
  const top = useTop({ ...asked, by: grouping, limit: ROWS_MAX }, { refetchInterval });
  const topBefore = useTop({ ...filters, ...bar.before, by: grouping, limit: ROWS_MAX }, { enabled: bar.compare });

  const nameOf = (dimension: Dimension, key: string): string =>
    key === REST ? t("common:terms.rest") : key === "" ? t("usage:without") : props.nameOf(dimension, key);
  const nameOfJoined = (key: string): string =>
    isRest(key)
      ? t("common:terms.rest")
      : splitKey(key)
          .map((part, index) => nameOf(by[index] ?? "tag", part))
          .join(" · ");
  const sums = totals(whole.data);
  const former = bar.compare && before.data ? totals(before.data) : null;
  const grouped = useMemo(
    () =>
      byGroup.data
        ? groupedPoints(byGroup.data, grouping.split(","), (each) => each.charged, "0")
        : { points: [], keys: [] },
    [byGroup.data, grouping],
  );
  const charts = useMemo(() => {
    if (!whole.data) return { cost: [], tokens: [], requests: [], cache: [] };
    const cached = measuredPoints(whole.data, { cached: (each) => each.cached_input_tokens, all: cacheable });
    return {
      cost: measuredPoints(whole.data, { cost: (each) => each.cost, margin: (each) => each.margin }, "0"),
      tokens: measuredPoints(whole.data, {
        input: (each) => each.input_tokens + each.cache_write_tokens + each.cache_write_1h_tokens,
        cached: (each) => each.cached_input_tokens,
        output: (each) => each.output_tokens,
        reasoning: (each) => each.reasoning_tokens,
      }),
      requests: measuredPoints(whole.data, {
        answered: (each) => each.requests,
        failed: (each) => each.voids + each.expired,
        refused: (each) => each.refusals,
      }),
      cache: cached.map(({ values, ...point }) => ({
        ...point,
        values: { share: values.all ? (plotted(values.cached ?? 0) ?? 0) / (plotted(values.all) ?? 1) : null },
      })),
    };
  }, [whole.data]);
  const isQuiet = whole.data !== undefined && sums.requests + sums.failures + sums.refusals === 0;

  const formerly = new Map((topBefore.data?.rows ?? []).map((row) => [joinedKey(row.keys, by), row.sums.charged]));
  const rows: Row[] = (top.data?.rows ?? [])
    .map((row) => {
      const key = joinedKey(row.keys, by);
      return { key, keys: row.keys, sums: row.sums, before: topBefore.data ? (formerly.get(key) ?? "0") : null };
    })
    .sort(
      (one, other) =>
        Number(isRest(one.key)) - Number(isRest(other.key)) || compareAmounts(other.sums.charged, one.sums.charged),
    );
  const figure = (
    key: string,
    header: string,
    value: (sums: Sums) => number,
    more: Partial<Column<Row>> = {},
  ): Column<Row> => ({
    key,
    header,
    cell: (row) => count(value(row.sums)),
    csv: (row) => value(row.sums),
    numeric: true,
    ...more,
  });
  const amount = (
    key: string,
    header: string,
    value: (row: Row) => string | null,
    more: Partial<Column<Row>> = {},
  ): Column<Row> => ({
    key,
    header,
    cell: (row) => <Money value={value(row)} />,
    csv: (row) => value(row),
    numeric: true,
    ...more,
  });
  const drill = by.length === 1 ? props.drillInto : undefined;
  const columns: Column<Row>[] = [
    ...by.map((dimension): Column<Row> => {
      const known = (row: Row) => row.keys[dimension] ?? "";
      return {
        key: dimension,
        header: t(`usage:by.${dimension}`),
        cell: (row) =>
          drill && known(row) !== "" && known(row) !== REST ? (
            <Link {...drill(dimension, known(row))} className="tg-row-link">
              {nameOf(dimension, known(row))}
            </Link>
          ) : (
            nameOf(dimension, known(row))
          ),
        csv: (row) => nameOf(dimension, known(row)),
        fixed: true,
      };
    }),
    amount("charged", t("usage:spend"), (row) => row.sums.charged, {
      cell: (row) => <Money value={row.sums.charged} to={isRest(row.key) ? undefined : props.entriesOf(row.keys)} />,
    }),
    ...(bar.compare
      ? [
          amount("before", t("usage:spendBefore"), (row) => row.before),
          {
            key: "change",
            header: t("usage:change"),
            cell: (row: Row) =>
              row.before !== null && (
                <span className="tg-nowrap">
                  <Change now={row.sums.charged} before={row.before} />
                </span>
              ),
          },
        ]
      : []),
    ...(props.withCost
      ? [
          amount("cost", t("usage:cost"), (row) => row.sums.cost),
          amount("margin", t("common:terms.margin"), (row) => row.sums.margin),
          {
            key: "marginShare",
            header: t("usage:marginShare"),
            hint: t("usage:marginHint"),
            cell: (row: Row) => marginShare(row.sums),
            numeric: true,
          },
        ]
      : []),
    figure("requests", t("common:terms.requests"), (each) => each.requests),
    figure("input", t("common:terms.inputTokens"), cacheable),
    figure("cachedTokens", t("common:terms.cachedTokens"), (each) => each.cached_input_tokens, { hidden: true }),
    {
      key: "cached",
      header: t("usage:cacheShare"),
      hint: t("usage:cacheHint"),
      cell: (row) => (cacheable(row.sums) ? percent(row.sums.cached_input_tokens / cacheable(row.sums)) : "–"),
      csv: (row) => row.sums.cached_input_tokens,
      numeric: true,
    },
    figure("output", t("common:terms.outputTokens"), (each) => each.output_tokens + each.reasoning_tokens),
    figure("reasoning", t("common:terms.reasoningTokens"), (each) => each.reasoning_tokens, { hidden: true }),
    figure("errors", t("common:terms.errors"), (each) => each.voids + each.expired),
    figure("refusals", t("common:terms.refusals"), (each) => each.refusals, { hidden: true }),
    {
      key: "latency",
      header: t("common:terms.latency"),
      hint: t("usage:mean"),
      cell: (row) => (row.sums.latency_milliseconds === null ? "–" : milliseconds(row.sums.latency_milliseconds)),
      csv: (row) => row.sums.latency_milliseconds,
      numeric: true,
      hidden: props.withCost,
    },
  ];
  const chosen = props.fields.map((field) => field.key);
  const question = new URLSearchParams({ from: bar.from, to: bar.to, bucket: "day", by: grouping });
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) question.set(key, String(value));
  const file = (format: "csv" | "parquet") => address(`api/reports/usage/export?${question}&format=${format}`);
  const written = (value: number | string) => count(plotted(value) ?? 0);
  const currency = byGroup.data?.currency ?? site.currency;
  const failed = byGroup.error ?? whole.error ?? top.error ?? before.error ?? topBefore.error;
  const reload = () => {
    for (const each of [byGroup, top, ...(overlaps ? [together] : []), ...(bar.compare ? [before, topBefore] : [])])
      void each.refetch();
  };
  const requestsChart = (
    <Chart
      title={t("common:terms.requests")}
      unit={t("common:terms.requests")}
      kind="bars"
      stacked
      points={charts.requests}
      series={[
        { key: "answered", label: t("usage:answered"), color: "var(--tg-series-2)" },
        { key: "failed", label: t("common:terms.errors"), color: "var(--tg-series-9)" },
        { key: "refused", label: t("common:terms.refusals"), color: "var(--tg-series-6)" },
      ]}
      format={written}
      loading={whole.isPending}
      totals
    />
  );
  return (
    <Page
      title={props.title}
      about={props.about}
      bar={{ range: true, zone: props.zone, compare: true, live: true, otherwise: props.otherwise }}
      readAt={byGroup.dataUpdatedAt}
    >
      {failed && <Failure problem={failed} onRetry={reload} />}
      <Stats>
        <Stat
          label={t("usage:spend")}
          value={<Money value={sums.charged} />}
          note={former && <Change now={sums.charged} before={former.charged} />}
          loading={whole.isPending}
        />
        {props.withCost && (
          <>
            <Stat
              label={t("usage:cost")}
              value={<Money value={sums.cost} />}
              note={former?.cost && sums.cost && <Change now={sums.cost} before={former.cost} />}
              loading={whole.isPending}
            />
            <Stat
              label={t("common:terms.margin")}
              hint={t("usage:marginHint")}
              value={<Money value={sums.margin} />}
              note={
                former?.margin && sums.margin ? (
                  <Change now={sums.margin} before={former.margin} />
                ) : (
                  t("usage:marginOf", { share: marginShare(sums) })
                )
              }
              loading={whole.isPending}
            />
          </>
        )}
        <Stat
          label={t("common:terms.requests")}
          value={count(sums.requests)}
          note={
            former ? (
              <Change now={sums.requests} before={former.requests} />
            ) : (
              props.withCost && t("usage:failures", { failed: count(sums.failures), refused: count(sums.refusals) })
            )
          }
          loading={whole.isPending}
        />
        <Stat
          label={t("common:terms.tokens")}
          value={compact(sums.input + sums.output)}
          note={t("usage:tokenKinds", { input: compact(sums.input), output: compact(sums.output) })}
          loading={whole.isPending}
        />
        <Stat
          label={t("usage:cacheShare")}
          hint={t("usage:cacheHint")}
          value={sums.input ? percent(sums.cached / sums.input) : "–"}
          loading={whole.isPending}
        />
      </Stats>
      {!isQuiet && (
        <div className="tg-charts">
          <Chart
            title={t("usage:spend")}
            unit={currency}
            kind="bars"
            stacked
            points={grouped.points}
            series={seriesOf(grouped.keys, nameOfJoined)}
            format={(value) => money(String(value))}
            loading={byGroup.isPending}
            totals={!overlaps}
          />
          {props.withCost ? (
            <Chart
              title={t("usage:costAndMargin")}
              unit={currency}
              kind="lines"
              points={charts.cost}
              series={[
                { key: "cost", label: t("usage:cost"), color: "var(--tg-series-1)" },
                { key: "margin", label: t("common:terms.margin"), color: "var(--tg-series-2)" },
              ]}
              format={(value) => money(String(value))}
              loading={whole.isPending}
            />
          ) : (
            requestsChart
          )}
          <Chart
            title={t("common:terms.tokens")}
            unit={t("common:terms.tokens")}
            kind="bars"
            stacked
            points={charts.tokens}
            series={[
              { key: "input", label: t("common:terms.inputTokens"), color: "var(--tg-series-0)" },
              { key: "cached", label: t("common:terms.cachedTokens"), color: "var(--tg-series-5)" },
              { key: "output", label: t("common:terms.outputTokens"), color: "var(--tg-series-1)" },
              { key: "reasoning", label: t("common:terms.reasoningTokens"), color: "var(--tg-series-3)" },
            ]}
            format={written}
            loading={whole.isPending}
            totals
          />
          <Chart
            title={t("usage:cacheShare")}
            unit={t("usage:percent")}
            kind="lines"
            points={charts.cache}
            series={[{ key: "share", label: t("usage:cacheShare"), color: "var(--tg-series-5)" }]}
            format={(value) => percent(plotted(value) ?? 0)}
            axis={(value) => percent(value, 0)}
            domain={[0, 1]}
            loading={whole.isPending}
          />
        </div>
      )}
      <Stack gap="xs">
        {props.groupBy}
        {(utc || overlaps) && (
          <Text size="sm" c="dimmed">
            {[utc && props.bar.zone !== "UTC" && t("usage:daysOfUtc"), overlaps && t("usage:tagsOverlap")]
              .filter(Boolean)
              .join(" ")}
          </Text>
        )}
        <DataTable
          id="usage"
          caption={props.title}
          columns={columns}
          listing={wholeListing(rows, top)}
          rowId={(row) => row.key}
          filters={<Filters fields={props.fields} value={props.search} onChange={props.setSearch} />}
          filtered={chosen.some((key) => props.search[key] !== undefined)}
          onClear={() =>
            props.setSearch(Object.fromEntries(chosen.map((key) => [key, undefined])) as unknown as Partial<S>)
          }
          exportUrl={file("csv")}
          toolbar={
            <Button
              component="a"
              href={file("parquet")}
              download
              variant="default"
              size="xs"
              leftSection={<Icon name="download" size={14} />}
            >
              {t("usage:parquet")}
            </Button>
          }
          empty={{
            title: t("usage:emptyTitle"),
            text: t("usage:emptyText"),
            command: snippets("sk-...", props.model)[0]?.text,
          }}
          footer={
            rows.length > 1 && !overlaps
              ? {
                  [by[0] ?? "tenant"]: t("usage:total"),
                  charged: <Money value={sums.charged} />,
                  before: former && <Money value={former.charged} />,
                  cost: <Money value={sums.cost} />,
                  margin: <Money value={sums.margin} />,
                  marginShare: marginShare(sums),
                  requests: count(sums.requests),
                  input: count(sums.input),
                  cachedTokens: count(sums.cached),
                  output: count(sums.output),
                  errors: count(sums.failures),
                  refusals: count(sums.refusals),
                }
              : undefined
          }
        />
      </Stack>
      <Section title={t("usage:program")} about={t("usage:programAbout")}>
        <Code text={reportCommand("api/reports/usage", Object.fromEntries(question))} />
      </Section>
    </Page>
  );
}
