import { Stack, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { Money } from "~/kit/Money";
import { Stat, Stats } from "~/kit/Stat";
import { addAmounts, compareAmounts, count, money, subtractAmounts } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import type { Card } from "~/parts/cards";
import { TenantChoice, TenantName } from "~/parts/tenants";
import { address } from "~/site";
import { useParts } from "./prices";
import { adminCardRoute } from "./routes";

type Row = Schema["WhatIfRow"];

/** A past range of real usage under the card: what it came to, and what it would have come to. */
export function WhatIf({ card }: { card: Card }) {
  const { t } = useTranslation(["adminPrices", "common"]);
  const [search, setSearch] = useUrl(adminCardRoute);
  const bar = useBar("30d");
  const range = { from: bar.from, to: bar.to, tenant_id: search.tenant };
  const found = useQuery({
    queryKey: ["get", "/api/rate-cards/{card_id}/what-if", card.id, card.version, range],
    queryFn: () =>
      data(
        api.GET("/api/rate-cards/{card_id}/what-if", {
          params: { path: { card_id: card.id }, query: { ...range, limit: 500 } },
        }),
      ),
    placeholderData: keepPreviousData,
  });
  const view = found.data;
  const rows = [...(view?.rows ?? [])];
  const listing = useParts(rows, found, 100);
  const { currency } = card;
  const exported = new URLSearchParams({ from: bar.from, to: bar.to });
  if (search.tenant !== undefined) exported.set("tenant_id", String(search.tenant));
  const columns: Column<Row>[] = [
    {
      key: "tenant",
      header: t("common:terms.tenant"),
      cell: (row) => <TenantName id={row.tenant_id} />,
      csv: (row) => row.tenant_id,
    },
    { key: "model", header: t("common:terms.model"), cell: (row) => row.model, csv: (row) => row.model },
    {
      key: "requests",
      header: t("common:terms.requests"),
      cell: (row) => count(row.requests),
      csv: (row) => row.requests,
      numeric: true,
    },
    {
      key: "charged",
      header: t("adminPrices:whatIf.charged"),
      cell: (row) => <Money value={row.charged} currency={currency} />,
      csv: (row) => row.charged,
      numeric: true,
    },
    {
      key: "rerated",
      header: t("adminPrices:whatIf.rerated"),
      cell: (row) => <Money value={row.rerated} currency={currency} />,
      csv: (row) => row.rerated,
      numeric: true,
    },
    {
      key: "difference",
      header: t("adminPrices:whatIf.difference"),
      cell: (row) => <Money value={row.difference} currency={currency} signed />,
      csv: (row) => row.difference,
      numeric: true,
    },
  ];
  return (
    <Stack gap="lg">
      <Text size="sm" c="dimmed">
        {t("adminPrices:whatIf.about")}
      </Text>
      {found.error && <Failure problem={found.error} onRetry={() => void found.refetch()} />}
      {view && (
        <>
          <Stats>
            <Stat label={t("adminPrices:whatIf.charged")} value={<Money value={view.charged} currency={currency} />} />
            <Stat
              label={t("adminPrices:whatIf.rerated")}
              value={<Money value={view.rerated} currency={currency} />}
              note={t("adminPrices:whatIf.bound", { amount: money(view.rounding_bound, currency) })}
            />
            <Stat
              label={t("adminPrices:whatIf.difference")}
              value={<Money value={subtractAmounts(view.rerated, view.charged)} currency={currency} signed />}
            />
            <Stat
              label={t("adminPrices:whatIf.unpriced")}
              hint={t("adminPrices:whatIf.unpricedHint")}
              value={count(view.unpriced)}
            />
          </Stats>
          <Chart
            title={t("adminPrices:whatIf.byModel")}
            unit={currency}
            kind="bars"
            categories
            points={modelPoints(rows)}
            series={[
              { key: "charged", label: t("adminPrices:whatIf.charged"), color: "var(--tg-series-rest)" },
              { key: "rerated", label: t("adminPrices:whatIf.rerated"), color: "var(--tg-series-0)" },
            ]}
            format={(figure) => money(String(figure), currency)}
          />
        </>
      )}
      <DataTable
        id="what-if"
        caption={t("adminPrices:cardTabs.whatif")}
        columns={columns}
        listing={listing}
        rowId={(row) => `${row.tenant_id} ${row.model}`}
        filters={
          <TenantChoice
            size="xs"
            width={220}
            placeholder={t("common:terms.tenant")}
            value={search.tenant ?? null}
            onChange={(id) => setSearch({ tenant: id ?? undefined })}
          />
        }
        filtered={search.tenant !== undefined}
        onClear={() => setSearch({ tenant: undefined })}
        exportUrl={address(`api/rate-cards/${card.id}/what-if/export?${exported}`)}
        empty={{ title: t("adminPrices:whatIf.empty"), text: t("adminPrices:whatIf.emptyText") }}
      />
    </Stack>
  );
}

/** The eight models that were charged the most, over all tenants. */
export function modelPoints(rows: readonly Row[]) {
  const sums = new Map<string, { charged: string; rerated: string }>();
  for (const row of rows) {
    if (row.rerated === null) continue;
    const known = sums.get(row.model) ?? { charged: "0", rerated: "0" };
    sums.set(row.model, {
      charged: addAmounts(known.charged, row.charged),
      rerated: addAmounts(known.rerated, row.rerated),
    });
  }
  return [...sums]
    .sort(([, one], [, other]) => compareAmounts(other.charged, one.charged))
    .slice(0, 8)
    .map(([at, values]) => ({ at, values }));
}
