import { Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Chart } from "~/kit/Chart";
import type { Column } from "~/kit/DataTable";
import { Page, Section } from "~/kit/Page";
import { compareAmounts, milliseconds, money, plotted } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { Availability, ModelState } from "~/parts/Availability";
import { useModels, useTenantId } from "~/parts/account";
import { type PricedModel, PriceList } from "~/parts/PriceList";
import { site } from "~/site";
import { tenantPricesRoute } from "./routes";

export default function TenantPricesPage() {
  const { t } = useTranslation(["tenantPrices", "prices", "common"]);
  const [search, setSearch] = useUrl(tenantPricesRoute);
  const models = useModels(useTenantId());
  const found = models.data?.items ?? [];
  const byName = new Map(found.map((each) => [each.model, each]));
  const rows: PricedModel[] = found.flatMap((each) =>
    each.list_price ? [{ model: each.model, price: each.list_price, multiplier: each.multiplier }] : [],
  );
  const unpriced = found.filter((each) => !each.price).map((each) => each.model);
  const of = (row: PricedModel) => byName.get(row.model);
  const more: Column<PricedModel>[] = [
    {
      key: "multiplier",
      header: t("common:terms.multiplier"),
      hint: t("tenantPrices:multiplierHint"),
      cell: (row) => `× ${of(row)?.multipliers.join(", ") || row.multiplier}`,
      csv: (row) => row.multiplier,
      numeric: true,
    },
    {
      key: "features",
      header: t("tenantPrices:features"),
      cell: (row) => (
        <span className="tg-dim">{[...(of(row)?.surfaces ?? []), ...(of(row)?.capabilities ?? [])].join(", ")}</span>
      ),
      csv: (row) => [...(of(row)?.surfaces ?? []), ...(of(row)?.capabilities ?? [])].join(" "),
      hidden: true,
    },
    {
      key: "firstByte",
      header: t("common:terms.firstByte"),
      hint: t("tenantPrices:speedHint"),
      cell: (row) => {
        const value = of(row)?.first_byte_p50;
        return value === null || value === undefined ? "–" : milliseconds(value);
      },
      csv: (row) => of(row)?.first_byte_p50,
      numeric: true,
    },
    {
      key: "speed",
      header: t("tenantPrices:speed"),
      hint: t("tenantPrices:speedHint"),
      cell: (row) => of(row)?.tokens_per_second ?? "–",
      csv: (row) => of(row)?.tokens_per_second,
      numeric: true,
      hidden: true,
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <ModelState state={of(row)?.state ?? "quiet"} />,
      csv: (row) => of(row)?.state,
    },
    {
      key: "hours",
      header: t("tenantPrices:hours"),
      cell: (row) => (
        <Availability
          cells={(of(row)?.hours ?? []).map((each) => each.available_percent)}
          label={row.model}
          total={of(row)?.available_percent ?? null}
        />
      ),
      csv: (row) => of(row)?.available_percent,
    },
  ];
  // The cheapest for reading and writing beside how fast they begin: both as bars over the same names.
  const fast = found
    .filter((each) => each.price?.output && each.first_byte_p50 !== null)
    .sort((one, other) => compareAmounts(one.price?.output ?? "0", other.price?.output ?? "0"))
    .slice(0, 12);
  return (
    <Page title={t("tenantPrices:title")} about={t("tenantPrices:about")}>
      <PriceList
        id="tenant-prices"
        caption={t("tenantPrices:title")}
        models={models.data ? rows : undefined}
        query={models}
        currency={site.currency}
        search={search}
        setSearch={setSearch}
        more={more}
      />
      {unpriced.length > 0 && (
        <Text size="sm" c="dimmed">
          {t("tenantPrices:unpriced", { models: unpriced.slice(0, 20).join(", ") })}
        </Text>
      )}
      {fast.length > 1 && (
        <Section title={t("tenantPrices:compare")} about={t("tenantPrices:compareAbout")}>
          <Stack>
            <div className="tg-charts">
              <Chart
                title={t("tenantPrices:outputPrice")}
                unit={t("prices:currencyPer1m", { currency: site.currency })}
                kind="bars"
                categories
                points={fast.map((each) => ({ at: each.model, values: { price: each.price?.output ?? null } }))}
                series={[{ key: "price", label: t("prices:classes.output"), color: "var(--tg-series-1)" }]}
                format={(figure) => money(String(figure))}
              />
              <Chart
                title={t("common:terms.firstByte")}
                unit={t("common:units.milliseconds")}
                kind="bars"
                categories
                points={fast.map((each) => ({ at: each.model, values: { ms: each.first_byte_p50 } }))}
                series={[{ key: "ms", label: t("common:terms.firstByte"), color: "var(--tg-series-0)" }]}
                format={(figure) => milliseconds(plotted(figure) ?? 0)}
              />
            </div>
          </Stack>
        </Section>
      )}
    </Page>
  );
}
