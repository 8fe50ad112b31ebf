import { Button, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { api, type Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { Page } from "~/kit/Page";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { addAmounts, count, money } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useMay } from "~/session/session";
import { type Batch, batchesChanged, leftOf, stateOf, TONES, useRedeemed, usesOf, worthOf } from "./batch";
import { CodesOnce } from "./CodesOnce";
import { NewBatch } from "./NewBatch";
import { BatchPanel } from "./Panel";
import { adminCodesRoute } from "./routes";

export default function AdminCodesPage() {
  const { t } = useTranslation(["adminCodes", "common"]);
  const [search, setSearch] = useUrl(adminCodesRoute);
  const may = useMay();
  const [made, setMade] = useState<Schema["CreatedBatch"] | null>(null);
  const [chosen, setChosen] = useState(new Set<string>());
  const [revoking, setRevoking] = useState(false);
  const filters = {
    search: search.search,
    kind: search.kind,
    revoked: search.revoked,
    include_archived: search.archived,
  };
  const listing = useListing("/api/code-batches", { query: { ...filters, sort: search.sort } });
  const redeemed = useRedeemed(
    listing.rows.map((row) => row.id),
    { refetchInterval: 3000 },
  );
  const selected = listing.rows.filter((row) => chosen.has(row.id) && !row.revoked && !row.archived);
  const columns: Column<Batch>[] = [
    {
      key: "name",
      header: t("common:name"),
      cell: (row) => row.name,
      csv: (row) => row.name,
      sort: "name",
      fixed: true,
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <Status tone={TONES[stateOf(row)]}>{t(`adminCodes:states.${stateOf(row)}`)}</Status>,
      csv: (row) => stateOf(row),
    },
    {
      key: "amount",
      header: t("adminCodes:columns.amount"),
      cell: (row) => <Money value={row.amount} />,
      csv: (row) => row.amount,
      numeric: true,
    },
    {
      key: "count",
      header: t("adminCodes:columns.count"),
      cell: (row) => count(row.count),
      csv: (row) => row.count,
      numeric: true,
    },
    {
      key: "uses",
      header: t("adminCodes:columns.usesPerCode"),
      cell: (row) => count(row.uses_per_code),
      csv: (row) => row.uses_per_code,
      numeric: true,
    },
    {
      key: "tenantUses",
      header: t("adminCodes:columns.usesPerTenant"),
      cell: (row) => count(row.uses_per_tenant),
      csv: (row) => row.uses_per_tenant,
      numeric: true,
      hidden: true,
    },
    {
      key: "worth",
      header: t("adminCodes:columns.worth"),
      hint: t("adminCodes:columns.worthHint"),
      cell: (row) => <Money value={worthOf(row)} />,
      csv: (row) => worthOf(row),
      numeric: true,
    },
    {
      key: "redeemed",
      header: t("adminCodes:columns.redeemed"),
      hint: t("adminCodes:columns.redeemedHint"),
      cell: (row) => {
        const sums = redeemed(row.id);
        return sums === undefined ? (
          <span className="tg-dim">–</span>
        ) : (
          <Stack gap={0} className="tg-lines">
            <Money value={sums.amount} />
            <span className="tg-dim">
              {t("adminCodes:usesOf", { uses: count(sums.uses), all: count(usesOf(row)) })}
            </span>
          </Stack>
        );
      },
      csv: (row) => redeemed(row.id)?.uses,
      numeric: true,
    },
    {
      key: "redeemedAmount",
      header: t("adminCodes:columns.redeemedAmount"),
      cell: (row) => <Money value={redeemed(row.id)?.amount} />,
      csv: (row) => redeemed(row.id)?.amount,
      numeric: true,
      hidden: true,
    },
    {
      key: "kind",
      header: t("adminCodes:columns.kind"),
      cell: (row) => t(`adminCodes:kinds.${row.kind}`),
      csv: (row) => row.kind,
    },
    {
      key: "expires",
      header: t("adminCodes:columns.expires"),
      cell: (row) => <Time at={row.expires_at} form="date" />,
      csv: (row) => row.expires_at,
    },
    {
      key: "grantDays",
      header: t("adminCodes:columns.grantDays"),
      cell: (row) => (row.grant_days === null ? t("common:never") : t("adminCodes:days", { count: row.grant_days })),
      csv: (row) => row.grant_days,
      hidden: true,
    },
    {
      key: "created",
      header: t("common:terms.created"),
      cell: (row) => <Time at={row.created_at} form="date" />,
      csv: (row) => row.created_at,
      sort: "created_at",
    },
  ];
  const fields: FilterField[] = [
    { key: "search", kind: "text", label: t("common:search"), isSearch: true },
    {
      key: "kind",
      kind: "choice",
      label: t("adminCodes:columns.kind"),
      options: (["paid", "promotional", "allowance"] as const).map((kind) => ({
        value: kind,
        label: t(`adminCodes:kinds.${kind}`),
      })),
      width: 140,
    },
    { key: "revoked", kind: "flag", label: t("adminCodes:states.revoked"), width: 120 },
    { key: "archived", kind: "flag", label: t("adminCodes:filters.archived"), width: 150 },
  ];
  const cleared = { search: undefined, kind: undefined, revoked: undefined, archived: undefined };
  const add = may("code:write") && (
    <Button leftSection={<Icon name="plus" />} onClick={() => setSearch({ new: true }, { push: true })}>
      {t("adminCodes:new.title")}
    </Button>
  );
  return (
    <Page title={t("adminCodes:title")} about={t("adminCodes:about")} actions={add}>
      <DataTable
        id="code-batches"
        caption={t("adminCodes:title")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.id })) as never })}
        openId={search.row}
        sort={search.sort}
        onSort={(sort) => setSearch({ sort: sort as typeof search.sort })}
        selection={may("code:write") ? { chosen, onChange: setChosen } : undefined}
        bulk={
          <Button
            size="xs"
            color="red"
            variant="light"
            disabled={selected.length === 0}
            onClick={() => setRevoking(true)}
          >
            {t("adminCodes:revoke.submit")}
          </Button>
        }
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={Object.keys(cleared).some((key) => search[key as "search"] !== undefined)}
        onClear={() => setSearch(cleared)}
        empty={{
          title: t("adminCodes:emptyTitle"),
          text: t("adminCodes:emptyText"),
          children: add || undefined,
        }}
      />
      <BatchPanel id={search.row} onClose={() => setSearch({ row: undefined, tab: undefined })} />
      <NewBatch opened={search.new ?? false} onClose={() => setSearch({ new: undefined })} onMade={setMade} />
      <CodesOnce batch={made} onClose={() => setMade(null)} />
      <ConfirmDanger
        opened={revoking}
        onClose={() => setRevoking(false)}
        title={t("adminCodes:revoke.many", { count: selected.length })}
        effect={
          <Text size="sm">
            {t("adminCodes:revoke.manyEffect", {
              uses: count(selected.reduce((sum, row) => sum + leftOf(row, redeemed(row.id)).uses, 0)),
              worth: money(addAmounts("0", ...selected.map((row) => leftOf(row, redeemed(row.id)).worth))),
            })}
          </Text>
        }
        word={String(selected.length)}
        submit={t("adminCodes:revoke.submit")}
        done={t("adminCodes:revoke.done")}
        onConfirm={async (call) => {
          await api.PATCH("/api/code-batches", {
            body: {
              items: selected.map((row) => ({ id: row.id, version: row.version, change: { revoked: true as const } })),
              reason: call.reason,
            },
          });
          batchesChanged();
          setChosen(new Set());
        }}
      />
    </Page>
  );
}
