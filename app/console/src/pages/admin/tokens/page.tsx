import { Button, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart, Sparkline } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { Page } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { Who } from "~/kit/Who";
import { money } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { LimitLines } from "~/parts/Budgets";
import { useKeyDirectory } from "~/parts/directory";
import { type Key, RevokeKeys } from "~/parts/keys/changes";
import { KeyPanel } from "~/parts/keys/KeyPanel";
import { KeyState } from "~/parts/keys/KeyState";
import { KeyWizard } from "~/parts/keys/KeyWizard";
import { useKeyUse } from "~/parts/keys/use";
import { useTenantDirectory } from "~/parts/tenants";
import { groupedPoints, seriesOf, useUsage } from "~/parts/usage";
import { useMay } from "~/session/session";
import { address } from "~/site";
import { adminTokensRoute } from "./routes";

export default function AdminTokensPage() {
  const { t } = useTranslation(["adminTokens", "tenantKeys", "common"]);
  const [search, setSearch] = useUrl(adminTokensRoute);
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [revoking, setRevoking] = useState<Key[]>([]);
  const may = useMay();
  const { tenants, nameOf } = useTenantDirectory();
  const filters = {
    search: search.search,
    tenant_id: search.tenant === undefined ? undefined : Number(search.tenant),
    tag: search.tag,
    model: search.model,
    revoked: search.revoked,
  };
  const listing = useListing("/api/tokens", {
    query: { ...filters, sort: search.sort, include_archived: search.revoked ?? false },
  });
  const use = useKeyUse(listing.rows);
  const selected = listing.rows.filter((each) => chosen.has(each.id) && !each.revoked);
  // One call changes keys of one tenant, all or none.
  const isOneTenant = new Set(selected.map((each) => each.tenant_id)).size === 1;
  const fields: FilterField[] = [
    { key: "search", kind: "text", label: t("common:search"), isSearch: true },
    {
      key: "tenant",
      kind: "choice",
      label: t("common:terms.tenant"),
      options: tenants.map((each) => ({ value: String(each.id), label: each.name })),
      searchable: true,
    },
    { key: "model", kind: "text", label: t("common:terms.model"), width: 130 },
    { key: "tag", kind: "text", label: t("tenantKeys:tag"), width: 110 },
    {
      key: "revoked",
      kind: "flag",
      label: t("common:terms.status"),
      yes: t("tenantKeys:states.revoked"),
      no: t("tenantKeys:states.active"),
      width: 120,
    },
  ];
  const columns: Column<Key>[] = [
    {
      key: "name",
      header: t("common:name"),
      cell: (each) => each.name,
      csv: (each) => each.name,
      sort: "name",
      fixed: true,
    },
    {
      key: "hint",
      header: t("tenantKeys:columns.hint"),
      cell: (each) => <code className="tg-mono tg-nowrap">{each.hint}</code>,
      csv: (each) => each.hint,
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (each) => <KeyState token={each} />,
      csv: (each) => each.revoked,
    },
    {
      key: "tenant",
      header: t("common:terms.tenant"),
      cell: (each) => nameOf(each.tenant_id),
      csv: (each) => each.tenant_id,
    },
    {
      key: "owner",
      header: t("adminTokens:owner"),
      cell: (each) => <Who actor={`user:${each.user_id}`} />,
      csv: (each) => each.user_id,
    },
    {
      key: "use",
      header: t("tenantKeys:columns.use"),
      hint: t("tenantKeys:columns.useHint"),
      cell: (each) => <Sparkline figures={use.get(each.id)?.figures ?? []} />,
    },
    {
      key: "spent",
      header: t("tenantKeys:columns.spent"),
      hint: t("tenantKeys:columns.useHint"),
      cell: (each) => <Money value={use.get(each.id)?.charged ?? "0"} />,
      csv: (each) => use.get(each.id)?.charged ?? "0",
      numeric: true,
    },
    {
      key: "last",
      header: t("tenantKeys:columns.lastUse"),
      cell: (each) => use.get(each.id)?.last ?? <span className="tg-dim">–</span>,
      csv: (each) => use.get(each.id)?.last,
    },
    {
      key: "limits",
      header: t("tenantKeys:columns.limits"),
      cell: (each) => <LimitLines budgets={each.budgets} limits={each.limits} />,
    },
    {
      key: "expires",
      header: t("tenantKeys:fields.expires"),
      cell: (each) => <Time at={each.expires_at} form="date" />,
      csv: (each) => each.expires_at,
    },
    {
      key: "created",
      header: t("common:terms.created"),
      cell: (each) => <Time at={each.created_at} form="date" />,
      csv: (each) => each.created_at,
      sort: "created_at",
      hidden: true,
    },
  ];
  const create = may("token:write") && (
    <Button leftSection={<Icon name="plus" />} onClick={() => setSearch({ new: true }, { push: true })}>
      {t("tenantKeys:create")}
    </Button>
  );
  const exported = new URLSearchParams();
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, String(value));
  return (
    <Page title={t("adminTokens:title")} about={t("adminTokens:about")} actions={create}>
      {may("report:read") && <SpendByKey tenantId={filters.tenant_id} />}
      <DataTable
        id="tokens"
        caption={t("adminTokens:title")}
        columns={columns}
        listing={listing}
        rowId={(each) => each.id}
        rowLink={(each) => ({ to: ".", search: ((old: object) => ({ ...old, row: each.id })) as never })}
        openId={search.row}
        sort={search.sort}
        onSort={(sort) => setSearch({ sort: sort as typeof search.sort })}
        selection={may("token:write") ? { chosen, onChange: setChosen } : undefined}
        bulk={
          <>
            <Button size="xs" color="red" variant="light" disabled={!isOneTenant} onClick={() => setRevoking(selected)}>
              {t("tenantKeys:revoke")}
            </Button>
            {selected.length > 0 && !isOneTenant && (
              <Text size="xs" c="dimmed">
                {t("adminTokens:oneTenant")}
              </Text>
            )}
          </>
        }
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={Object.values(filters).some((each) => each !== undefined)}
        onClear={() =>
          setSearch({ search: undefined, tenant: undefined, tag: undefined, model: undefined, revoked: undefined })
        }
        exportUrl={address(`api/tokens/export?${exported}`)}
        empty={{ title: t("tenantKeys:emptyTitle"), text: t("tenantKeys:emptyText"), children: create || undefined }}
      />
      <KeyPanel
        id={search.row}
        onClose={() => setSearch({ row: undefined, tab: undefined })}
        tab={search.tab}
        onTab={(tab) => setSearch({ tab })}
        ownerOf={(key) => <Who actor={`user:${key.user_id}`} />}
        tenantOf={(key) => (
          <Link to="/admin/tenants/$tenantId" params={{ tenantId: String(key.tenant_id) }} className="tg-link">
            {nameOf(key.tenant_id)}
          </Link>
        )}
      />
      <KeyWizard
        opened={search.new ?? false}
        onClose={() => setSearch({ new: undefined })}
        tenantId={filters.tenant_id ?? null}
      />
      <RevokeKeys keys={revoking} onClose={() => setRevoking([])} onDone={() => setChosen(new Set())} />
    </Page>
  );
}

/** What the eight keys that spent most spent, and the rest together, day by day. */
function SpendByKey(props: { tenantId: number | undefined }) {
  const { t } = useTranslation(["adminTokens", "common"]);
  const { rows } = useKeyDirectory();
  const tenants = useTenantDirectory();
  // Many tenants call a key the same.
  const nameOf = (id: string) => {
    const key = rows.find((each) => each.id === id);
    return key ? t("adminTokens:keyOf", { key: key.name, tenant: tenants.nameOf(key.tenant_id) }) : id.slice(0, 8);
  };
  const usage = useUsage({ by: "token", bucket: "day", top: 8, tenant_id: props.tenantId });
  const grouped = usage.data && groupedPoints(usage.data, "token", (sums) => sums.charged, "0");
  return (
    <Chart
      title={t("adminTokens:spend")}
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
