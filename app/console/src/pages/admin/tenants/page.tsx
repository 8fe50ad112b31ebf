import { Button } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { api, data, queryClient, type Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Filters } from "~/kit/Filters";
import { FormDrawer } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Money } from "~/kit/Money";
import { Page } from "~/kit/Page";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { count, money } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useTenantDirectory } from "~/parts/tenants";
import { groupedPoints, seriesOf, useTop, useUsage } from "~/parts/usage";
import { useMay } from "~/session/session";
import { address } from "~/site";
import { FRESH, standing, TenantFields, useTenantRules } from "./form";
import { adminTenantsRoute } from "./routes";

type Tenant = Schema["TenantView"];

export default function AdminTenantsPage() {
  const { t } = useTranslation(["adminTenants", "common"]);
  const [search, setSearch] = useUrl(adminTenantsRoute);
  const [making, setMaking] = useState(false);
  const may = useMay();
  const navigate = useNavigate();
  const rules = useTenantRules();
  const { search: name, user_group, suspended, include_archived } = search;
  const filters = { search: name, user_group, suspended, include_archived };
  const listing = useListing("/api/tenants", { query: { ...filters, sort: search.sort, limit: 50 } });
  const figures = useFigures();
  const lastCalls = useLastCalls(listing.rows);

  const columns: Column<Tenant>[] = [
    {
      key: "name",
      header: t("name"),
      sort: "name",
      fixed: true,
      cell: (tenant) => tenant.name,
      csv: (tenant) => tenant.name,
    },
    {
      key: "status",
      header: t("common:terms.status"),
      cell: (tenant) => {
        const { tone, word } = standing(tenant);
        return <Status tone={tone}>{t(word)}</Status>;
      },
      csv: (tenant) => standing(tenant).word,
    },
    {
      key: "group",
      header: t("group"),
      cell: (tenant) => tenant.user_group,
      csv: (tenant) => tenant.user_group,
    },
    {
      key: "balance",
      header: t("balance"),
      numeric: true,
      cell: (tenant) => (
        <Money
          value={figures.wallets.get(tenant.id)?.balance}
          to={{ to: "/t/$tenantId/wallet", params: { tenantId: String(tenant.id) } } as never}
        />
      ),
      csv: (tenant) => figures.wallets.get(tenant.id)?.balance,
    },
    {
      key: "held",
      header: t("held"),
      numeric: true,
      cell: (tenant) => <Money value={figures.wallets.get(tenant.id)?.held} />,
      csv: (tenant) => figures.wallets.get(tenant.id)?.held,
    },
    {
      key: "spent",
      header: t("spent"),
      numeric: true,
      cell: (tenant) => <Money value={figures.usage.get(tenant.id)?.charged ?? (figures.known ? "0" : null)} />,
      csv: (tenant) => figures.usage.get(tenant.id)?.charged,
    },
    {
      key: "requests",
      header: t("requests"),
      numeric: true,
      cell: (tenant) => count(figures.usage.get(tenant.id)?.requests ?? 0),
      csv: (tenant) => figures.usage.get(tenant.id)?.requests,
    },
    {
      key: "lastCall",
      header: t("lastCall"),
      cell: (tenant) => <Time at={lastCalls.get(tenant.id)} form="relative" />,
      csv: (tenant) => lastCalls.get(tenant.id),
    },
    {
      key: "credit_limit",
      header: t("creditLimit"),
      hint: t("creditLimitHint"),
      numeric: true,
      hidden: true,
      cell: (tenant) => <Money value={tenant.credit_limit} />,
      csv: (tenant) => tenant.credit_limit,
    },
    {
      key: "zone",
      header: t("zone"),
      hidden: true,
      cell: (tenant) => tenant.time_zone,
      csv: (tenant) => tenant.time_zone,
    },
    {
      key: "created",
      header: t("common:terms.created"),
      sort: "created_at",
      cell: (tenant) => <Time at={tenant.created_at} form="date" />,
      csv: (tenant) => tenant.created_at,
    },
    {
      key: "id",
      header: t("id"),
      hidden: true,
      cell: (tenant) => <Id value={tenant.id} />,
      csv: (tenant) => tenant.id,
    },
  ];

  const add = may("tenant:create") && (
    <Button leftSection={<Icon name="plus" />} onClick={() => setMaking(true)}>
      {t("new")}
    </Button>
  );
  return (
    <Page title={t("title")} about={t("about")} actions={add}>
      {may("report:read") && <SpendByTenant />}
      <DataTable
        id="tenants"
        caption={t("caption")}
        columns={columns}
        listing={listing}
        rowId={(tenant) => String(tenant.id)}
        rowLink={(tenant) => ({ to: "/admin/tenants/$tenantId", params: { tenantId: String(tenant.id) } })}
        sort={search.sort}
        onSort={(sort) => setSearch({ sort: sort as typeof search.sort })}
        filters={
          <Filters
            fields={[
              { key: "search", kind: "text", label: t("searchLabel"), isSearch: true },
              { key: "user_group", kind: "text", label: t("group"), width: 150 },
              { key: "suspended", kind: "flag", label: t("suspendedFilter"), width: 130 },
              { key: "include_archived", kind: "flag", label: t("archivedFilter"), width: 140 },
            ]}
            value={search}
            onChange={setSearch}
          />
        }
        filtered={Object.values(filters).some((each) => each !== undefined)}
        onClear={() =>
          setSearch({ search: undefined, user_group: undefined, suspended: undefined, include_archived: undefined })
        }
        exportUrl={exportUrl(filters)}
        empty={{
          text: t("emptyText"),
          command: [
            `curl ${address("api/tenants")} \\`,
            '  -H "Authorization: Bearer tgp_..." -H "Content-Type: application/json" \\',
            `  -d '{"name": "Acme"}'`,
          ].join("\n"),
        }}
      />
      <FormDrawer
        opened={making}
        onClose={() => setMaking(false)}
        title={t("new")}
        submit={t("common:create")}
        initial={FRESH}
        validate={rules}
        reason
        done={t("created")}
        onSubmit={async (values, call) => {
          const made = await data(api.POST("/api/tenants", { body: { ...values, reason: call.reason } }));
          await queryClient.invalidateQueries({ queryKey: ["get", "/api/tenants"] });
          await navigate({ to: "/admin/tenants/$tenantId", params: { tenantId: String(made.id) } });
        }}
      >
        {(form) => <TenantFields form={form} />}
      </FormDrawer>
    </Page>
  );
}

const DAY = 86_400_000;

/** What the ten largest spent, and the rest together, day by day. */
function SpendByTenant() {
  const { t } = useTranslation(["adminTenants", "common"]);
  const { nameOf } = useTenantDirectory();
  const usage = useUsage({ by: "tenant", bucket: "day", top: 10 });
  const grouped = usage.data && groupedPoints(usage.data, "tenant", (sums) => sums.charged, "0");
  return (
    <Chart
      title={t("adminTenants:spendByTenant")}
      unit={usage.data?.currency ?? ""}
      kind="bars"
      stacked
      totals
      loading={usage.isPending}
      points={grouped?.keys.length ? grouped.points : []}
      series={seriesOf(grouped?.keys ?? [], (key) => (key === "(rest)" ? t("common:terms.rest") : nameOf(key)))}
      format={(figure) => money(String(figure))}
      height={180}
    />
  );
}

/** When each of these last called a model, in one call for the whole list. */
function useLastCalls(tenants: Tenant[]): Map<number, string> {
  const may = useMay();
  const ids = tenants
    .slice(0, 500)
    .map((each) => each.id)
    .join(",");
  const found = useQuery({
    queryKey: ["get", "/api/tenants/last-calls", ids],
    queryFn: async () =>
      (await data(api.GET("/api/tenants/last-calls", { params: { query: { tenant_ids: ids } } }))).items,
    enabled: ids !== "" && may("report:read"),
    placeholderData: keepPreviousData,
  }).data;
  return useMemo(() => new Map((found ?? []).map((each) => [each.tenant_id, each.at])), [found]);
}

/** Balances and what was spent, of as many tenants as the reports give at once; the others are drawn as unknown. */
function useFigures() {
  const since = useMemo(() => new Date(Math.floor(Date.now() / DAY) * DAY - 29 * DAY).toISOString(), []);
  const balances = useQuery({
    queryKey: ["get", "/api/reports/balances", "all"],
    queryFn: () => data(api.GET("/api/reports/balances", { params: { query: { limit: 500 } } })),
    staleTime: 10_000,
  });
  const top = useTop({ by: "tenant", limit: 500, from: since });
  const wallets = new Map((balances.data?.wallets ?? []).map((wallet) => [wallet.tenant_id, wallet]));
  const usage = new Map((top.data?.rows ?? []).map((row) => [Number(row.keys.tenant), row.sums]));
  return { wallets, usage, known: top.data !== undefined };
}

function exportUrl(filters: Record<string, string | boolean | undefined>): string {
  const url = new URL(address("api/tenants/export"));
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) url.searchParams.set(key, String(value));
  url.searchParams.set("format", "csv");
  return url.href;
}
