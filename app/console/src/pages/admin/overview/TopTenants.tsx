import type { UseQueryResult } from "@tanstack/react-query";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { type Amount, count, isZero, percent, plotted } from "~/lib/format";
import { useTenantDirectory } from "~/parts/tenants";
import type { Usage } from "~/parts/usage";

type Row = Usage["rows"][number];

const allTokens = (row: Row) =>
  row.sums.input_tokens +
  row.sums.cached_input_tokens +
  row.sums.cache_write_tokens +
  row.sums.cache_write_1h_tokens +
  row.sums.output_tokens +
  row.sums.reasoning_tokens;

/** Who spent most, and what share of all that is. */
export function TopTenants(props: { top: UseQueryResult<Usage>; total: Amount | undefined }) {
  const { t } = useTranslation(["adminOverview", "common"]);
  const { nameOf } = useTenantDirectory();
  const rows = props.top.data?.rows.filter((row) => row.keys.tenant !== "(rest)");
  const share = (row: Row) =>
    props.total && !isZero(props.total) ? (plotted(row.sums.charged) ?? 0) / (plotted(props.total) ?? 1) : null;
  const columns: Column<Row>[] = [
    {
      key: "tenant",
      header: t("common:terms.tenant"),
      cell: (row) => nameOf(row.keys.tenant ?? ""),
      csv: (row) => nameOf(row.keys.tenant ?? ""),
    },
    {
      key: "charged",
      header: t("common:terms.charge"),
      numeric: true,
      cell: (row) => <Money value={row.sums.charged} />,
      csv: (row) => row.sums.charged,
    },
    {
      key: "share",
      header: t("share"),
      numeric: true,
      cell: (row) => {
        const part = share(row);
        return part === null ? "–" : percent(part);
      },
    },
    {
      key: "margin",
      header: t("margin"),
      numeric: true,
      cell: (row) => <Money value={row.sums.margin} />,
      csv: (row) => row.sums.margin,
    },
    {
      key: "requests",
      header: t("requests"),
      numeric: true,
      cell: (row) => count(row.sums.requests),
      csv: (row) => row.sums.requests,
    },
    {
      key: "tokens",
      header: t("tokens"),
      numeric: true,
      cell: (row) => count(allTokens(row)),
      csv: allTokens,
    },
    {
      key: "failed",
      header: t("failed"),
      numeric: true,
      cell: (row) => count(row.sums.voids + row.sums.expired),
      csv: (row) => row.sums.voids + row.sums.expired,
    },
  ];
  return (
    <Section title={t("top")}>
      <DataTable
        plain
        id="top-tenants"
        caption={t("topCaption")}
        columns={columns}
        listing={wholeListing(rows, props.top)}
        rowId={(row) => row.keys.tenant ?? ""}
        rowLink={(row) => ({ to: `/admin/tenants/${row.keys.tenant}` }) as never}
      />
    </Section>
  );
}
