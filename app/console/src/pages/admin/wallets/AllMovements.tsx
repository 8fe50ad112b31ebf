import { Link } from "@tanstack/react-router";
import type { Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Filters } from "~/kit/Filters";
import { Section } from "~/kit/Page";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useUserDirectory } from "~/parts/directory";
import { useTenantDirectory } from "~/parts/tenants";
import { useMovementColumns, useMovementFields } from "~/parts/WalletTables";
import { address } from "~/site";
import { adminWalletsRoute } from "./routes";

type Movement = Schema["TenantMovementView"];

/** What moved the wallets of all tenants in the page's range, but for the charges of requests. */
export function AllMovements() {
  const { t } = useTranslation(["adminWallets", "tenantWallet", "common"]);
  const [search, setSearch] = useUrl(adminWalletsRoute);
  const bar = useBar("30d");
  const { nameOf } = useTenantDirectory();
  const people = useUserDirectory();
  const filters = { kind: search.kind, source: search.source };
  const span = { from: bar.from, to: bar.to };
  const listing = useListing("/api/reports/movements", {
    query: { ...filters, ...span },
    refetchInterval: bar.live ? 5000 : undefined,
  });
  const shared = useMovementColumns<Movement>(people.nameOf);
  const tenant: Column<Movement> = {
    key: "tenant",
    header: t("common:terms.tenant"),
    cell: (row) => (
      <Link to="/admin/wallets" search={{ tenant: row.tenant_id } as never} className="tg-link">
        {nameOf(row.tenant_id)}
      </Link>
    ),
    csv: (row) => row.tenant_id,
  };
  const exported = new URLSearchParams(span);
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, value);
  return (
    <Section title={t("adminWallets:movements.title")} about={t("adminWallets:movements.about")}>
      <DataTable
        id="all-movements"
        caption={t("adminWallets:movements.title")}
        columns={shared.flatMap((each) => (each.key === "at" ? [each, tenant] : [{ ...each, hidden: false }]))}
        listing={listing}
        rowId={(row) => row.event_id}
        filters={<Filters fields={useMovementFields()} value={search} onChange={setSearch} />}
        filtered={Object.values(filters).some((each) => each !== undefined)}
        onClear={() => setSearch({ kind: undefined, source: undefined })}
        exportUrl={address(`api/reports/movements/export?${exported}`)}
        empty={{ title: t("tenantWallet:noMovements"), text: t("tenantWallet:noMovementsText") }}
      />
    </Section>
  );
}
