import { Button } from "@mantine/core";
import type { Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Sparkline } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { Page } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { useUrl } from "~/lib/url";
import { useMayHere, useMembers, useModelNames, useTenantId } from "~/parts/account";
import { LimitLines } from "~/parts/Budgets";
import { KeyPanel } from "~/parts/keys/KeyPanel";
import { KeyState } from "~/parts/keys/KeyState";
import { KeyWizard } from "~/parts/keys/KeyWizard";
import { useKeyUse } from "~/parts/keys/use";
import { address } from "~/site";
import { tenantKeysRoute } from "./routes";

type Key = Schema["TokenView"];

export default function TenantKeysPage() {
  const { t } = useTranslation(["tenantKeys", "common"]);
  const [search, setSearch] = useUrl(tenantKeysRoute);
  const tenantId = useTenantId();
  const may = useMayHere();
  const { members, nameOf } = useMembers(tenantId);
  const models = useModelNames(tenantId);
  const { row, new: isNew, search: name, owner, tag, model, revoked, sort } = search;
  const filters = { search: name, user_id: owner, tag, model, revoked };
  const listing = useListing("/api/tokens", {
    query: { ...filters, tenant_id: tenantId, sort, include_archived: revoked ?? false },
  });
  const use = useKeyUse(listing.rows, tenantId);

  const fields: FilterField[] = [
    { key: "search", kind: "text", label: t("common:search"), isSearch: true },
    ...(may("token:read") && members.length > 1
      ? [
          {
            key: "owner",
            kind: "choice" as const,
            label: t("tenantKeys:columns.owner"),
            options: members.map((each) => ({ value: each.user_id, label: each.name || each.login })),
          },
        ]
      : []),
    {
      key: "model",
      kind: "choice",
      label: t("common:terms.model"),
      options: models.map((each) => ({ value: each, label: each })),
    },
    { key: "tag", kind: "text", label: t("tenantKeys:tag"), width: 120 },
    {
      key: "revoked",
      kind: "flag",
      label: t("common:terms.status"),
      yes: t("tenantKeys:states.revoked"),
      no: t("tenantKeys:states.active"),
      width: 130,
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
      key: "state",
      header: t("common:terms.status"),
      cell: (each) => <KeyState token={each} />,
      csv: (each) => each.revoked,
    },
    {
      key: "hint",
      header: t("tenantKeys:columns.hint"),
      cell: (each) => <code className="tg-mono">{each.hint}</code>,
      csv: (each) => each.hint,
    },
    {
      key: "owner",
      header: t("tenantKeys:columns.owner"),
      cell: (each) => nameOf(each.user_id),
      csv: (each) => nameOf(each.user_id),
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
      cell: (each) => (
        <Money
          value={use.get(each.id)?.charged ?? "0"}
          to={{
            to: "/t/$tenantId/requests",
            params: { tenantId: String(tenantId) },
            search: { token_id: each.id, range: "30d" } as never,
          }}
        />
      ),
      csv: (each) => use.get(each.id)?.charged ?? "0",
      numeric: true,
    },
    {
      key: "lastUse",
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
      key: "models",
      header: t("tenantKeys:fields.models"),
      cell: (each) =>
        each.models === null ? (
          <span className="tg-dim">{t("common:all")}</span>
        ) : (
          t("tenantKeys:modelCount", { count: each.models.length })
        ),
      csv: (each) => (each.models ?? []).join(" "),
    },
    {
      key: "tags",
      header: t("tenantKeys:fields.tags"),
      cell: (each) => each.tags.join(", "),
      csv: (each) => each.tags.join(" "),
      hidden: true,
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
  const create = may("own_token:write") && (
    <Button leftSection={<Icon name="plus" />} onClick={() => setSearch({ new: true }, { push: true })}>
      {t("tenantKeys:create")}
    </Button>
  );
  const exported = new URLSearchParams({ tenant_id: String(tenantId) });
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, String(value));
  return (
    <Page title={t("tenantKeys:title")} about={t("tenantKeys:about")} actions={create}>
      <DataTable
        id="keys"
        caption={t("tenantKeys:title")}
        columns={columns}
        listing={listing}
        rowId={(each) => each.id}
        rowLink={(each) => ({ to: ".", search: ((old: object) => ({ ...old, row: each.id })) as never })}
        openId={row}
        sort={sort}
        onSort={(next) => setSearch({ sort: next as typeof sort })}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={Object.values(filters).some((each) => each !== undefined)}
        onClear={() =>
          setSearch({ search: undefined, owner: undefined, tag: undefined, model: undefined, revoked: undefined })
        }
        exportUrl={address(`api/tokens/export?${exported}`)}
        empty={{ title: t("tenantKeys:emptyTitle"), text: t("tenantKeys:emptyText"), children: create || undefined }}
      />
      <KeyPanel
        id={row}
        onClose={() => setSearch({ row: undefined, tab: undefined })}
        tab={search.tab}
        onTab={(tab) => setSearch({ tab })}
        ownerOf={(key) => nameOf(key.user_id)}
      />
      <KeyWizard opened={isNew ?? false} onClose={() => setSearch({ new: undefined })} tenantId={tenantId} />
    </Page>
  );
}
