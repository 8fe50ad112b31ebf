import { SegmentedControl, Stack } from "@mantine/core";
import type { LinkProps } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { wholeListing } from "~/api/listing";
import { Chart } from "~/kit/Chart";
import { Code } from "~/kit/Code";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { snippets } from "~/kit/snippets";
import { compact, compareAmounts, count, milliseconds, money, percent } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useKeys, useMayHere, useMembers, useModelNames, useTenantId } from "~/parts/account";
import { Change } from "~/parts/Change";
import { reportCommand } from "~/parts/commands";
import { groupedPoints, measuredPoints, type Sums, seriesOf, totals, useTop, useUsage } from "~/parts/usage";
import { address, site } from "~/site";
import { tenantUsageRoute } from "./routes";

const DIMENSIONS = ["model_billed", "token", "user", "tag"] as const;
type Dimension = (typeof DIMENSIONS)[number];
type Row = { key: string; sums: Sums };

const cacheable = (sums: Sums) => sums.input_tokens + sums.cached_input_tokens + sums.cache_write_tokens;

export default function TenantUsagePage() {
  const { t } = useTranslation(["tenantUsage", "common"]);
  const [search, setSearch] = useUrl(tenantUsageRoute);
  const bar = useBar("30d");
  const tenantId = useTenantId();
  const may = useMayHere();
  const keys = useKeys(tenantId);
  const members = useMembers(tenantId);
  const models = useModelNames();
  const by: Dimension = search.by ?? "model_billed";
  const filters = {
    model_billed: search.model_billed,
    token_id: search.token_id,
    user_id: search.user_id,
    tag: search.tag,
  };
  const asked = { tenant_id: tenantId, from: bar.from, to: bar.to, ...filters };
  const refetchInterval = bar.live ? 5000 : false;
  const usage = useUsage({ ...asked, bucket: bar.bucket, by, top: 8, zone: bar.zone }, { refetchInterval });
  const before = useUsage(
    { ...asked, ...bar.before, bucket: bar.bucket === "minute" ? "hour" : bar.bucket, zone: bar.zone },
    { enabled: bar.compare },
  );
  const top = useTop({ ...asked, by, limit: 200 }, { refetchInterval });

  const nameOf = (key: string): string => {
    if (key === "(rest)") return t("common:terms.rest");
    if (key === "") return t("tenantUsage:without");
    return by === "token" ? keys.nameOf(key) : by === "user" ? members.nameOf(key) : key;
  };
  const sums = totals(usage.data);
  const former = bar.compare && before.data ? totals(before.data) : null;
  const grouped = useMemo(
    () => (usage.data ? groupedPoints(usage.data, by, (each) => each.charged, "0") : { points: [], keys: [] }),
    [usage.data, by],
  );
  const tokens = useMemo(
    () =>
      usage.data
        ? measuredPoints(usage.data, {
            input: (each) => each.input_tokens + each.cache_write_tokens,
            cached: (each) => each.cached_input_tokens,
            output: (each) => each.output_tokens,
            reasoning: (each) => each.reasoning_tokens,
          })
        : [],
    [usage.data],
  );
  const requests = useMemo(
    () =>
      usage.data
        ? measuredPoints(usage.data, {
            answered: (each) => each.requests,
            failed: (each) => each.voids + each.expired,
            refused: (each) => each.refusals,
          })
        : [],
    [usage.data],
  );
  const cacheShare = useMemo(() => {
    if (!usage.data) return [];
    const shares = measuredPoints(usage.data, {
      cached: (each) => each.cached_input_tokens,
      all: cacheable,
    });
    return shares.map((point) => ({
      ...point,
      values: { share: point.values.all ? Number(point.values.cached) / Number(point.values.all) : null },
    }));
  }, [usage.data]);
  const isQuiet = sums.requests + sums.failures + sums.refusals === 0;

  const rows: Row[] = (top.data?.rows ?? [])
    .map((row) => ({ key: row.keys[by] ?? "", sums: row.sums }))
    .sort((one, other) => compareAmounts(other.sums.charged, one.sums.charged));
  const linkTo = (key: string): LinkProps => ({
    to: "/t/$tenantId/requests",
    params: { tenantId: String(tenantId) },
    search: {
      [by === "model_billed" ? "model_asked" : by === "token" ? "token_id" : by === "user" ? "user_id" : "tag"]: key,
      range: bar.range === "custom" ? undefined : bar.range,
      from: bar.range === "custom" ? bar.from : undefined,
      to: bar.range === "custom" ? bar.to : undefined,
    } as never,
  });
  const columns: Column<Row>[] = [
    {
      key: "key",
      header: t(`tenantUsage:by.${by}`),
      cell: (row) => nameOf(row.key),
      csv: (row) => nameOf(row.key),
      fixed: true,
    },
    {
      key: "charged",
      header: t("tenantUsage:spend"),
      cell: (row) => <Money value={row.sums.charged} to={linkTo(row.key)} />,
      csv: (row) => row.sums.charged,
      numeric: true,
    },
    {
      key: "requests",
      header: t("common:terms.requests"),
      cell: (row) => count(row.sums.requests),
      csv: (row) => row.sums.requests,
      numeric: true,
    },
    {
      key: "input",
      header: t("common:terms.inputTokens"),
      cell: (row) => count(cacheable(row.sums)),
      csv: (row) => cacheable(row.sums),
      numeric: true,
    },
    {
      key: "cached",
      header: t("tenantUsage:cacheShare"),
      hint: t("tenantUsage:cacheHint"),
      cell: (row) => (cacheable(row.sums) ? percent(row.sums.cached_input_tokens / cacheable(row.sums)) : "–"),
      csv: (row) => row.sums.cached_input_tokens,
      numeric: true,
    },
    {
      key: "output",
      header: t("common:terms.outputTokens"),
      cell: (row) => count(row.sums.output_tokens + row.sums.reasoning_tokens),
      csv: (row) => row.sums.output_tokens + row.sums.reasoning_tokens,
      numeric: true,
    },
    {
      key: "reasoning",
      header: t("common:terms.reasoningTokens"),
      cell: (row) => count(row.sums.reasoning_tokens),
      csv: (row) => row.sums.reasoning_tokens,
      numeric: true,
      hidden: true,
    },
    {
      key: "errors",
      header: t("common:terms.errors"),
      cell: (row) => count(row.sums.voids + row.sums.expired),
      csv: (row) => row.sums.voids + row.sums.expired,
      numeric: true,
    },
    {
      key: "latency",
      header: t("common:terms.latency"),
      hint: t("tenantUsage:mean"),
      cell: (row) => (row.sums.latency_milliseconds === null ? "–" : milliseconds(row.sums.latency_milliseconds)),
      csv: (row) => row.sums.latency_milliseconds,
      numeric: true,
    },
  ];
  const fields: FilterField[] = [
    {
      key: "model_billed",
      kind: "choice",
      label: t("common:terms.model"),
      options: [...new Set([...models, ...(search.model_billed ? [search.model_billed] : [])])].map((each) => ({
        value: each,
        label: each,
      })),
    },
    {
      key: "token_id",
      kind: "choice",
      label: t("common:terms.key"),
      options: keys.keys.map((each) => ({ value: each.id, label: each.name })),
    },
    ...(may("report:read")
      ? [
          {
            key: "user_id",
            kind: "choice" as const,
            label: t("common:terms.member"),
            options: members.members.map((each) => ({ value: each.user_id, label: each.name || each.login })),
          },
        ]
      : []),
    { key: "tag", kind: "text", label: t("tenantUsage:by.tag"), width: 120 },
  ];
  const exported = new URLSearchParams({ tenant_id: String(tenantId), from: bar.from, to: bar.to, bucket: "day", by });
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, value);
  const written = (figure: number | string) => count(Number(figure));
  return (
    <Page
      title={t("tenantUsage:title")}
      about={t("tenantUsage:about")}
      bar={{ range: true, compare: true, live: true, otherwise: "30d" }}
      readAt={usage.dataUpdatedAt}
    >
      <Stats>
        <Stat
          label={t("tenantUsage:spend")}
          value={<Money value={sums.charged} />}
          note={former && <Change now={sums.charged} before={former.charged} />}
          loading={usage.isPending}
        />
        <Stat
          label={t("common:terms.requests")}
          value={count(sums.requests)}
          note={former && <Change now={sums.requests} before={former.requests} />}
          loading={usage.isPending}
        />
        <Stat
          label={t("common:terms.tokens")}
          value={compact(sums.input + sums.output)}
          note={t("tenantUsage:tokenKinds", { input: compact(sums.input), output: compact(sums.output) })}
          loading={usage.isPending}
        />
        <Stat
          label={t("tenantUsage:cacheShare")}
          hint={t("tenantUsage:cacheHint")}
          value={sums.input ? percent(sums.cached / sums.input) : "–"}
          loading={usage.isPending}
        />
      </Stats>
      {!isQuiet && (
        <div className="tg-charts">
          <Chart
            title={t("tenantUsage:spend")}
            unit={usage.data?.currency ?? site.currency}
            kind="bars"
            stacked
            points={grouped.points}
            series={seriesOf(grouped.keys, nameOf)}
            format={(figure) => money(String(figure))}
            totals
          />
          <Chart
            title={t("common:terms.tokens")}
            unit={t("common:terms.tokens")}
            kind="bars"
            stacked
            points={tokens}
            series={[
              { key: "input", label: t("common:terms.inputTokens"), color: "var(--tg-series-0)" },
              { key: "cached", label: t("common:terms.cachedTokens"), color: "var(--tg-series-5)" },
              { key: "output", label: t("common:terms.outputTokens"), color: "var(--tg-series-1)" },
              { key: "reasoning", label: t("common:terms.reasoningTokens"), color: "var(--tg-series-3)" },
            ]}
            format={written}
            totals
          />
          <Chart
            title={t("common:terms.requests")}
            unit={t("common:terms.requests")}
            kind="bars"
            stacked
            points={requests}
            series={[
              { key: "answered", label: t("tenantUsage:answered"), color: "var(--tg-series-2)" },
              { key: "failed", label: t("common:terms.errors"), color: "var(--tg-series-9)" },
              { key: "refused", label: t("common:terms.refusals"), color: "var(--tg-series-6)" },
            ]}
            format={written}
            totals
          />
          <Chart
            title={t("tenantUsage:cacheShare")}
            unit={t("tenantUsage:percent")}
            kind="lines"
            points={cacheShare}
            series={[{ key: "share", label: t("tenantUsage:cacheShare"), color: "var(--tg-series-5)" }]}
            format={(figure) => percent(Number(figure))}
            axis={(figure) => percent(figure, 0)}
            domain={[0, 1]}
          />
        </div>
      )}
      <Stack gap="xs">
        <SegmentedControl
          aria-label={t("tenantUsage:groupBy")}
          data={DIMENSIONS.filter((each) => each !== "user" || may("report:read")).map((each) => ({
            value: each,
            label: t(`tenantUsage:by.${each}`),
          }))}
          value={by}
          onChange={(next) => setSearch({ by: next === "model_billed" ? undefined : (next as Dimension) })}
          className="tg-self-start"
        />
        <DataTable
          id="usage"
          caption={t("tenantUsage:title")}
          columns={columns}
          listing={wholeListing(rows, top)}
          rowId={(row) => row.key}
          filters={<Filters fields={fields} value={search} onChange={setSearch} />}
          filtered={Object.values(filters).some((each) => each !== undefined)}
          onClear={() =>
            setSearch({ model_billed: undefined, token_id: undefined, user_id: undefined, tag: undefined })
          }
          exportUrl={address(`api/reports/usage/export?${exported}`)}
          empty={{
            title: t("tenantUsage:emptyTitle"),
            text: t("tenantUsage:emptyText"),
            command: snippets("sk-...", models[0] ?? "demo-chat")[0]?.text,
          }}
          footer={
            rows.length > 1 && by !== "tag"
              ? { key: t("tenantUsage:total"), charged: <Money value={sums.charged} />, requests: count(sums.requests) }
              : undefined
          }
        />
      </Stack>
      <Section title={t("tenantUsage:program")} about={t("tenantUsage:programAbout")}>
        <Code
          text={reportCommand("api/reports/usage", { tenant_id: String(tenantId), from: bar.from, bucket: "day", by })}
        />
      </Section>
    </Page>
  );
}
