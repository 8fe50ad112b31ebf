import { Anchor, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, type LinkProps } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Schema } from "~/api/client";
import { useListing, wholeListing } from "~/api/listing";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Empty } from "~/kit/Empty";
import { Failure } from "~/kit/Failure";
import { Filters } from "~/kit/Filters";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { addAmounts, money } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { StatementSum, statementFile, statementQuery } from "~/parts/StatementSheet";
import { useTenantDirectory } from "~/parts/tenants";
import { measuredPoints, useUsage } from "~/parts/usage";
import { useMay } from "~/session/session";
import { site } from "~/site";
import { lastPeriods } from "./periods";
import { adminStatementsRoute } from "./routes";

type Line = Schema["StatementSummary"];
type Month = {
  at: string;
  isOpen: boolean;
  charged: string;
  cost: string | null;
  margin: string | null;
  requests: number;
};

/** Months of revenue, this one with them. */
const MONTHS = 12;

export default function AdminStatementsPage() {
  const { t } = useTranslation(["adminStatements", "tenantStatements", "common"]);
  const [search, setSearch] = useUrl(adminStatementsRoute);
  const { tenants, nameOf } = useTenantDirectory();
  const tenantId = search.tenant_id === undefined ? undefined : Number(search.tenant_id);
  const listing = useListing("/api/reports/statements", { query: { tenant_id: tenantId, period: search.period } });
  const pageOf = (tenant: number, period: string): LinkProps =>
    ({ to: "/admin/statements/$tenantId/$period", params: { tenantId: String(tenant), period } }) as LinkProps;
  const amount = (key: "opening" | "charged" | "closing"): Column<Line> => ({
    key,
    header: t(`tenantStatements:${key}`),
    cell: (row) => (
      <Money
        value={row[key]}
        currency={row.currency}
        to={key === "charged" ? pageOf(row.tenant_id, row.period) : undefined}
      />
    ),
    csv: (row) => row[key],
    numeric: true,
  });
  const columns: Column<Line>[] = [
    {
      key: "tenant",
      header: t("common:terms.tenant"),
      cell: (row) => nameOf(row.tenant_id),
      csv: (row) => nameOf(row.tenant_id),
      fixed: true,
    },
    {
      key: "period",
      header: t("tenantStatements:period"),
      cell: (row) => <span className="tg-nowrap">{row.period}</span>,
      csv: (row) => row.period,
      fixed: true,
    },
    {
      key: "status",
      header: t("common:terms.status"),
      cell: () => <Status tone="good">{t("adminStatements:closed")}</Status>,
    },
    amount("opening"),
    {
      key: "credited",
      header: t("tenantStatements:credited"),
      cell: (row) => <Money value={row.credited} currency={row.currency} signed />,
      csv: (row) => row.credited,
      numeric: true,
    },
    amount("charged"),
    amount("closing"),
    {
      key: "closed",
      header: t("tenantStatements:closed"),
      cell: (row) => (
        <span className="tg-nowrap">
          <Time at={row.closed_at} form="date" />
        </span>
      ),
      csv: (row) => row.closed_at,
    },
    {
      key: "sha",
      header: t("tenantStatements:fingerprint"),
      cell: (row) => <Id value={row.sha256} />,
      csv: (row) => row.sha256,
      hidden: true,
    },
  ];
  const { rows } = listing;
  const isOneCurrency = new Set(rows.map((row) => row.currency)).size <= 1;
  const sum = (read: (row: Line) => string) =>
    isOneCurrency ? <Money value={addAmounts(...rows.map(read))} currency={rows[0]?.currency} /> : undefined;
  return (
    <Page title={t("adminStatements:title")} about={t("adminStatements:about")}>
      {tenantId === undefined ? <Revenue /> : <OpenPeriod tenantId={tenantId} page={pageOf(tenantId, "current")} />}
      <Section title={t("adminStatements:list")}>
        <DataTable
          id="statements-of-all"
          caption={t("adminStatements:list")}
          columns={columns}
          listing={listing}
          rowId={(row) => `${row.tenant_id} ${row.period}`}
          rowLink={(row) => pageOf(row.tenant_id, row.period)}
          filters={
            <Filters
              fields={[
                {
                  key: "tenant_id",
                  kind: "choice",
                  label: t("common:terms.tenant"),
                  options: tenants.map((each) => ({ value: String(each.id), label: each.name })),
                  width: 220,
                },
                {
                  key: "period",
                  kind: "choice",
                  label: t("tenantStatements:period"),
                  options: lastPeriods(search.period).map((each) => ({ value: each, label: each })),
                  width: 130,
                },
              ]}
              value={search}
              onChange={setSearch}
            />
          }
          filtered={search.tenant_id !== undefined || search.period !== undefined}
          onClear={() => setSearch({ tenant_id: undefined, period: undefined })}
          rowActions={(row) => (
            <Group gap="xs" wrap="nowrap">
              <Anchor size="sm" href={statementFile(row.tenant_id, row.period, "csv")} download>
                {t("tenantStatements:download")}
              </Anchor>
              <Anchor size="sm" href={statementFile(row.tenant_id, row.period, "parquet")} download>
                {t("tenantStatements:parquet")}
              </Anchor>
            </Group>
          )}
          empty={{ title: t("tenantStatements:emptyTitle"), text: t("adminStatements:emptyText") }}
          footer={
            rows.length > 1
              ? {
                  tenant: t("adminStatements:shown", { count: rows.length }),
                  credited: sum((row) => row.credited),
                  charged: sum((row) => row.charged),
                }
              : undefined
          }
        />
      </Section>
    </Page>
  );
}

/** What all tenants were charged, month by month. */
function Revenue() {
  const { t } = useTranslation(["adminStatements", "usage", "common"]);
  const withCost = useMay()("cost:read");
  const from = useMemo(() => {
    const now = new Date();
    return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - MONTHS + 1, 1)).toISOString();
  }, []);
  const usage = useUsage({ from, bucket: "month", zone: "UTC" });
  const currency = usage.data?.currency ?? site.currency;
  const months: Month[] = (usage.data?.buckets ?? []).map((bucket, index) => {
    const found = usage.data?.rows.find((row) => row.bucket === index)?.sums;
    return {
      at: bucket.starts_at.slice(0, 7),
      isOpen: Date.parse(bucket.ends_at) >= Date.now() - 60_000,
      charged: found?.charged ?? "0",
      cost: found ? found.cost : "0",
      margin: found ? found.margin : "0",
      requests: found?.requests ?? 0,
    };
  });
  const [now, last] = [months.at(-1), months.at(-2)];
  const amount = (key: "charged" | "cost" | "margin", header: string): Column<Month> => ({
    key,
    header,
    cell: (row) => <Money value={row[key]} currency={currency} />,
    csv: (row) => row[key],
    numeric: true,
  });
  return (
    <>
      {usage.error && <Failure problem={usage.error} onRetry={() => void usage.refetch()} />}
      <Stats>
        <Stat
          label={t("adminStatements:thisMonth")}
          value={<Money value={now?.charged} currency={currency} />}
          note={t("adminStatements:soFar")}
          loading={usage.isPending}
        />
        <Stat
          label={t("adminStatements:lastMonth")}
          value={<Money value={last?.charged} currency={currency} />}
          note={last?.at}
          loading={usage.isPending}
        />
        <Stat
          label={t("adminStatements:inAll", { count: MONTHS })}
          value={<Money value={addAmounts(...months.map((each) => each.charged))} currency={currency} />}
          loading={usage.isPending}
        />
      </Stats>
      <div className="tg-charts">
        <Chart
          title={t("adminStatements:revenue")}
          unit={currency}
          kind="bars"
          points={
            usage.data
              ? measuredPoints(usage.data, { charged: (sums) => sums.charged }, "0").map((point) => ({
                  ...point,
                  at: point.at.slice(0, 7),
                }))
              : []
          }
          categories
          series={[{ key: "charged", label: t("adminStatements:revenue"), color: "var(--tg-series-0)" }]}
          format={(value) => money(String(value), currency)}
          loading={usage.isPending}
        />
        <Section title={t("adminStatements:months")}>
          <DataTable
            id="revenue"
            caption={t("adminStatements:months")}
            plain
            listing={wholeListing(months.filter((each) => each.requests > 0 || each.isOpen).reverse(), usage)}
            rowId={(row) => row.at}
            columns={[
              {
                key: "month",
                header: t("adminStatements:month"),
                cell: (row) =>
                  row.isOpen ? <Status tone="info">{t("adminStatements:open", { month: row.at })}</Status> : row.at,
              },
              amount("charged", t("adminStatements:revenue")),
              ...(withCost ? [amount("cost", t("usage:cost")), amount("margin", t("common:terms.margin"))] : []),
            ]}
          />
        </Section>
      </div>
    </>
  );
}

/** One tenant's period that is not over. */
function OpenPeriod(props: { tenantId: number; page: LinkProps }) {
  const { t } = useTranslation(["adminStatements", "tenantStatements", "common"]);
  const current = useQuery({ ...statementQuery(props.tenantId, "current"), retry: false });
  const isNew = current.error !== null && asProblem(current.error).status === 404;
  return (
    <Section
      title={t("tenantStatements:current")}
      actions={
        current.data && (
          <Link {...props.page} className="tg-link">
            {t("common:open")}
          </Link>
        )
      }
    >
      {isNew ? (
        <Empty title={t("tenantStatements:noneTitle")} text={t("tenantStatements:noneText")} />
      ) : (
        <Loaded query={current} rows={2}>
          {(statement) => <StatementSum statement={statement} />}
        </Loaded>
      )}
    </Section>
  );
}
