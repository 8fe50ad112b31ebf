import { Badge } from "@mantine/core";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Time } from "~/kit/Time";
import { useUrl } from "~/lib/url";
import { TenantName } from "~/parts/tenants";
import { InUse } from "./Mappings";
import { PolicyForm } from "./PolicyForm";
import { PolicyPanel } from "./PolicyPanel";
import { adminRoutingRoute } from "./routes";
import type { Policy } from "./routing";

/** How channels are chosen, for whom and for what. */
export function Policies() {
  const { t } = useTranslation(["adminRouting", "common"]);
  const [search, setSearch] = useUrl(adminRoutingRoute);
  const listing = useListing("/api/routing/policies", {
    query: { search: search.search, include_archived: search.archived, sort: search.sort },
  });
  const fields: FilterField[] = [
    { key: "search", kind: "text", label: t("common:search"), isSearch: true },
    { key: "archived", kind: "flag", label: t("adminRouting:archived"), width: 130 },
  ];
  const columns: Column<Policy>[] = [
    {
      key: "name",
      header: t("common:name"),
      cell: (row) => row.name,
      csv: (row) => row.name,
      sort: "name",
      fixed: true,
    },
    {
      key: "scope",
      header: t("adminRouting:scope"),
      hint: t("adminRouting:policies.scopeHint"),
      cell: (row) => <Scope policy={row} />,
      csv: (row) => row.tenant_id ?? row.user_group,
    },
    {
      key: "model",
      header: t("common:terms.model"),
      cell: (row) => row.model || t("adminRouting:policies.allModels"),
      csv: (row) => row.model,
    },
    {
      key: "mode",
      header: t("adminRouting:policies.mode"),
      cell: (row) => t(`adminRouting:modes.${row.mode}`),
      csv: (row) => row.mode,
    },
    {
      key: "fallbacks",
      header: t("adminRouting:models.fallbacks"),
      cell: (row) => row.fallbacks.join(" → ") || <span className="tg-dim">–</span>,
      csv: (row) => row.fallbacks.join(" "),
    },
    {
      key: "arms",
      header: t("adminRouting:policies.experiment"),
      cell: (row) =>
        row.arms.length === 0 ? (
          <span className="tg-dim">–</span>
        ) : (
          <Badge variant="light" className="tg-plain-badge">
            {row.arms
              .map((arm) => t("adminRouting:policies.armShort", { name: arm.name, share: arm.share }))
              .join(" : ")}
          </Badge>
        ),
      csv: (row) => row.arms.map((arm) => `${arm.name}=${arm.share}`).join(" "),
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <InUse row={row} />,
      csv: (row) => (row.archived ? "archived" : row.enabled ? "enabled" : "disabled"),
    },
    {
      key: "updated",
      header: t("common:terms.updated"),
      cell: (row) => <Time at={row.updated_at} />,
      csv: (row) => row.updated_at,
      sort: "updated_at",
    },
  ];
  return (
    <>
      <DataTable
        id="policies"
        caption={t("adminRouting:tabs.policies")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        rowLink={(row) => ({
          to: ".",
          search: ((old: object) => ({ ...old, row: row.id, part: undefined })) as never,
        })}
        openId={search.row}
        sort={search.sort}
        onSort={(sort) => setSearch({ sort: sort as typeof search.sort })}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={search.search !== undefined || search.archived !== undefined}
        onClear={() => setSearch({ search: undefined, archived: undefined })}
        empty={{ title: t("adminRouting:policies.empty"), text: t("adminRouting:policies.emptyText") }}
      />
      <PolicyPanel id={search.row} onClose={() => setSearch({ row: undefined, part: undefined, days: undefined })} />
      <PolicyForm
        opened={search.new ?? false}
        onClose={() => setSearch({ new: undefined })}
        onMade={(id) => setSearch({ new: undefined, row: id })}
      />
    </>
  );
}

/** Whom a policy is for. */
export function Scope({ policy }: { policy: Policy }) {
  const { t } = useTranslation("adminRouting");
  if (policy.tenant_id !== null) return <TenantName id={policy.tenant_id} />;
  return policy.user_group ? t("policies.ofGroup", { group: policy.user_group }) : t("everybody");
}
