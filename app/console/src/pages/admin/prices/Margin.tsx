import { Stack } from "@mantine/core";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Money } from "~/kit/Money";
import { count, money, percent, plotted } from "~/lib/format";
import { useBar } from "~/lib/range";
import { groupedPoints, type Sums, seriesOf, useTop, useUsage } from "~/parts/usage";

type Row = { model: string; sums: Sums };

/** What is left of each model's charges after its vendors. */
export function Margin() {
  const { t } = useTranslation(["adminPrices", "common"]);
  const bar = useBar("30d");
  const range = { from: bar.from, to: bar.to };
  const usage = useUsage({ by: "model_billed", bucket: bar.bucket, zone: bar.zone, top: 8, ...range }).data;
  const found = useTop({ by: "model_billed", limit: 200, ...range });
  const rows: Row[] = (found.data?.rows ?? [])
    .map((row) => ({ model: row.keys.model_billed ?? "", sums: row.sums }))
    .filter((row) => row.model !== "" && row.sums.requests > 0);
  const currency = usage?.currency ?? found.data?.currency;
  const { points, keys } = usage
    ? groupedPoints(usage, "model_billed", (sums) => sums.margin, "0")
    : { points: [], keys: [] };
  // A share of two amounts is no amount.
  const shareOf = ({ sums }: Row) => {
    const all = plotted(sums.charged);
    return all && sums.margin !== null ? (plotted(sums.margin) ?? 0) / all : null;
  };
  const nameOf = (key: string) => (key === "(rest)" ? t("common:terms.rest") : key || t("common:unknown"));
  const columns: Column<Row>[] = [
    { key: "model", header: t("common:terms.model"), cell: (row) => nameOf(row.model), csv: (row) => row.model },
    {
      key: "requests",
      header: t("common:terms.requests"),
      cell: ({ sums }) => count(sums.requests),
      csv: ({ sums }) => sums.requests,
      numeric: true,
    },
    {
      key: "charged",
      header: t("adminPrices:margin.charged"),
      cell: ({ sums }) => <Money value={sums.charged} currency={currency} />,
      csv: ({ sums }) => sums.charged,
      numeric: true,
    },
    {
      key: "cost",
      header: t("common:terms.cost"),
      cell: ({ sums }) => <Money value={sums.cost} currency={currency} />,
      csv: ({ sums }) => sums.cost,
      numeric: true,
    },
    {
      key: "margin",
      header: t("common:terms.margin"),
      cell: ({ sums }) => <Money value={sums.margin} currency={currency} />,
      csv: ({ sums }) => sums.margin,
      numeric: true,
    },
    {
      key: "share",
      header: t("adminPrices:margin.share"),
      hint: t("adminPrices:margin.shareHint"),
      cell: (row) => {
        const share = shareOf(row);
        return share === null ? <span className="tg-dim">–</span> : percent(share);
      },
      csv: shareOf,
      numeric: true,
    },
  ];
  return (
    <Stack gap="lg">
      <Chart
        title={t("adminPrices:margin.title")}
        unit={currency ?? ""}
        kind="bars"
        stacked
        points={keys.length ? points : []}
        series={seriesOf(keys, nameOf)}
        format={(figure) => money(String(figure), currency)}
        totals
      />
      <DataTable
        id="margin"
        caption={t("adminPrices:margin.title")}
        columns={columns}
        listing={wholeListing(rows, found)}
        rowId={(row) => row.model}
        empty={{ title: t("adminPrices:margin.empty"), text: t("adminPrices:margin.emptyText") }}
      />
    </Stack>
  );
}
