import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, data, type Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { money } from "~/lib/format";
import { useTenantDirectory } from "~/parts/tenants";

type Grant = Schema["EndingGrantView"];

/** Credit of all tenants that ends within thirty days: what is left of it by then lapses. */
export function Ending() {
  const { t } = useTranslation(["adminWallets", "tenantWallet", "common"]);
  const { nameOf } = useTenantDirectory();
  const query = { days: 30, limit: 100 };
  const found = useQuery({
    queryKey: ["get", "/api/reports/ending-grants", query],
    queryFn: () => data(api.GET("/api/reports/ending-grants", { params: { query } })),
  });
  const columns: Column<Grant>[] = [
    {
      key: "expires",
      header: t("tenantWallet:expires"),
      cell: (row) => <Time at={row.expires_at} form="full" />,
      csv: (row) => row.expires_at,
      fixed: true,
    },
    {
      key: "tenant",
      header: t("common:terms.tenant"),
      cell: (row) => (
        <Link to="/admin/wallets" search={{ tenant: row.tenant_id, grant: row.grant_id } as never} className="tg-link">
          {nameOf(row.tenant_id)}
        </Link>
      ),
      csv: (row) => row.tenant_id,
    },
    {
      key: "kind",
      header: t("tenantWallet:kind"),
      cell: (row) =>
        t(`tenantWallet:grantKinds.${row.kind}` as "tenantWallet:grantKinds.paid", { defaultValue: row.kind }),
      csv: (row) => row.kind,
    },
    {
      key: "remaining",
      header: t("tenantWallet:remaining"),
      cell: (row) => <Money value={row.remaining} currency={found.data?.currency} />,
      csv: (row) => row.remaining,
      numeric: true,
    },
  ];
  const sums = found.data;
  return (
    <Section
      title={t("adminWallets:ending.title")}
      about={
        sums && sums.grants > 0
          ? t("adminWallets:ending.about", { count: sums.grants, amount: money(sums.remaining, sums.currency) })
          : undefined
      }
    >
      <DataTable
        id="ending-grants"
        caption={t("adminWallets:ending.title")}
        columns={columns}
        listing={wholeListing(sums && [...sums.items], found)}
        rowId={(row) => row.grant_id}
        plain
        empty={{ text: t("adminWallets:ending.none") }}
      />
    </Section>
  );
}
