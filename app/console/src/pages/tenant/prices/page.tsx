import { SegmentedControl, Text } from "@mantine/core";
import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { seriesColor } from "~/kit/colors";
import type { Column } from "~/kit/DataTable";
import { Page, Section } from "~/kit/Page";
import { Scatter, type ScatterPoint } from "~/kit/Scatter";
import { decimal, milliseconds, money, plotted } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { Availability, ModelState } from "~/parts/Availability";
import { useModels, useTenantId } from "~/parts/account";
import { type PricedModel, PriceList } from "~/parts/PriceList";
import { site } from "~/site";
import { tenantPricesRoute } from "./routes";

type TenantModel = Schema["TenantModel"];

const speedText = (figure: number | string): string => decimal(String(figure));

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
      // One that is the same for all says nothing of any.
      hidden: new Set(found.map((each) => each.multipliers.join())).size < 2,
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
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <ModelState state={of(row)?.state ?? "quiet"} />,
      csv: (row) => of(row)?.state,
    },
  ];
  const by = search.speed ?? (found.some((each) => each.tokens_per_second !== null) ? "tokens" : "firstByte");
  const speedOf = (each: TenantModel) => (by === "tokens" ? each.tokens_per_second : each.first_byte_p50);
  const plottedModels = found.flatMap((each): ScatterPoint[] => {
    const speed = speedOf(each);
    return speed !== null && each.price?.output
      ? [{ key: each.model, label: each.model, x: speed, y: each.price.output, color: seriesColor(each.model) }]
      : [];
  });
  const summaryOf = (points: ScatterPoint[]): string => {
    const ordered = (figure: (each: ScatterPoint) => number) =>
      [...points].sort((one, other) => figure(one) - figure(other)).map((each) => each.label);
    const slowToFast = ordered((each) => plotted(each.x) ?? 0);
    const cheapToDear = ordered((each) => plotted(each.y) ?? 0);
    const fastest = by === "tokens" ? slowToFast.at(-1) : slowToFast[0];
    return points.length === 0
      ? ""
      : t("tenantPrices:compareSummary", {
          count: points.length,
          cheapest: cheapToDear[0],
          dearest: cheapToDear.at(-1),
          fastest,
        });
  };
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
      {found.length > 0 && (
        <Section
          title={t("tenantPrices:compare")}
          about={t(`tenantPrices:compareAbout.${by}`)}
          actions={
            <SegmentedControl
              size="xs"
              aria-label={t("tenantPrices:speedBy")}
              data={[
                { value: "tokens", label: t("tenantPrices:speed") },
                { value: "firstByte", label: t("common:terms.firstByte") },
              ]}
              value={by}
              onChange={(next) => setSearch({ speed: next as typeof by })}
            />
          }
        >
          <Scatter
            title={t("tenantPrices:compareTitle")}
            x={
              by === "tokens"
                ? { label: t("tenantPrices:speed"), unit: t("tenantPrices:speedUnit"), format: speedText }
                : {
                    label: t("common:terms.firstByte"),
                    unit: t("common:units.milliseconds"),
                    format: (figure) => milliseconds(plotted(figure) ?? 0),
                  }
            }
            y={{
              label: t("tenantPrices:outputPrice"),
              unit: t("prices:currencyPer1m", { currency: site.currency }),
              format: (figure) => money(String(figure)),
            }}
            points={plottedModels}
            summary={summaryOf(plottedModels)}
          />
        </Section>
      )}
    </Page>
  );
}
