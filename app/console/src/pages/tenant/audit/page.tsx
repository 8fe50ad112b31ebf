import { Stack, Table, Tabs, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import type en from "~/i18n/en/tenantAudit";
import { useTranslation } from "~/i18n/use";
import { Chart, type Point } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Empty } from "~/kit/Empty";
import { type FilterField, Filters } from "~/kit/Filters";
import { Id } from "~/kit/Id";
import { JsonDiff } from "~/kit/JsonDiff";
import { Page } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { Time } from "~/kit/Time";
import { count } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useMayHere, useMembers, useTenantId } from "~/parts/account";
import { seriesOf } from "~/parts/usage";
import { address } from "~/site";
import { tenantAuditRoute } from "./routes";

type Item = Schema["AuditItem"];
type Look = Schema["LookView"];

const KINDS = ["tenant", "member", "token", "credit", "invitation", "personal_token"] as const;
const SOURCES = ["top_up", "redemption", "allowance", "adjustment", "refund"] as const;
const ACTIONS = ["created", "changed", "archived", "rotated", "revoked", "redeemed", "granted"] as const;

/** The words for kinds and actions; one that this console does not know stays as the API has it. */
function useWords() {
  const { t, i18n } = useTranslation("tenantAudit");
  const known = (key: string) => i18n.exists(`tenantAudit:${key}`);
  return {
    kind: (kind: string) => (known(`kinds.${kind}`) ? t(`kinds.${kind as keyof typeof en.kinds}`) : kind),
    action: (action: string) =>
      known(`actions.${action}`) ? t(`actions.${action as keyof typeof en.actions}`) : action,
  };
}

export default function TenantAuditPage() {
  const { t } = useTranslation(["tenantAudit", "common"]);
  const [search, setSearch] = useUrl(tenantAuditRoute);
  const may = useMayHere();
  const tab = search.tab ?? "changes";
  if (!may("audit:read"))
    return (
      <Page title={t("tenantAudit:title")} about={t("tenantAudit:about")}>
        <Empty text={t("tenantAudit:mayNot")} />
      </Page>
    );
  return (
    <Page
      title={t("tenantAudit:title")}
      about={t("tenantAudit:about")}
      bar={{ range: tab === "changes", otherwise: "30d" }}
    >
      <Tabs
        value={tab}
        onChange={(next) => setSearch({ tab: next === "looks" ? "looks" : undefined, row: undefined })}
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="changes">{t("tenantAudit:changes")}</Tabs.Tab>
          {may("look:read") && <Tabs.Tab value="looks">{t("tenantAudit:looks")}</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="changes" pt="md">
          <Changes />
        </Tabs.Panel>
        <Tabs.Panel value="looks" pt="md">
          <Looks />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Changes() {
  const { t } = useTranslation(["tenantAudit", "tenantWallet", "common"]);
  const [search, setSearch] = useUrl(tenantAuditRoute);
  const bar = useBar("30d");
  const tenantId = useTenantId();
  const words = useWords();
  const { members } = useMembers(tenantId);
  const filters = { kind: search.kind, action: search.action, actor: search.actor };
  const listing = useListing("/api/audit", {
    query: { tenant_id: tenantId, from: bar.from, to: bar.to, ...filters },
  });
  const open = listing.rows.find((row) => row.id === search.row);
  const who = (row: Item) => row.actor_login ?? (row.actor.startsWith("user:") ? row.actor : t("tenantAudit:system"));
  // Of credit the name is its source, as the API has it.
  const what = (row: Item) =>
    row.kind === "credit"
      ? (SOURCES as readonly string[]).includes(row.name)
        ? t(`tenantWallet:sources.${row.name as (typeof SOURCES)[number]}`)
        : ""
      : row.name || row.entity_id;
  const columns: Column<Item>[] = [
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (row) => <Time at={row.at} form="full" />,
      csv: (row) => row.at,
      fixed: true,
    },
    { key: "who", header: t("tenantAudit:who"), cell: who, csv: who },
    {
      key: "action",
      header: t("tenantAudit:action"),
      cell: (row) => words.action(row.action),
      csv: (row) => row.action,
    },
    { key: "kind", header: t("tenantAudit:kind"), cell: (row) => words.kind(row.kind), csv: (row) => row.kind },
    { key: "what", header: t("tenantAudit:what"), cell: what, csv: what },
    {
      key: "fields",
      header: t("tenantAudit:fields"),
      cell: (row) => <span className="tg-mono">{row.changed.join(", ")}</span>,
      csv: (row) => row.changed.join(" "),
    },
    {
      key: "reason",
      header: t("tenantAudit:reason"),
      cell: (row) => row.reason || <span className="tg-dim">–</span>,
      csv: (row) => row.reason,
    },
    {
      key: "address",
      header: t("tenantAudit:address"),
      cell: (row) => row.address ?? <span className="tg-dim">–</span>,
      csv: (row) => row.address,
      hidden: true,
    },
  ];
  const fields: FilterField[] = [
    {
      key: "kind",
      kind: "choice",
      label: t("tenantAudit:kind"),
      options: KINDS.map((each) => ({ value: each, label: words.kind(each) })),
    },
    {
      key: "action",
      kind: "choice",
      label: t("tenantAudit:action"),
      options: ACTIONS.map((each) => ({ value: each, label: words.action(each) })),
    },
    {
      key: "actor",
      kind: "choice",
      label: t("tenantAudit:who"),
      options: members.map((each) => ({ value: each.user_id, label: each.login })),
    },
  ];
  const exported = new URLSearchParams({ tenant_id: String(tenantId), from: bar.from, to: bar.to });
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, value);
  return (
    <Stack>
      <PerDay />
      <DataTable
        id="audit"
        caption={t("tenantAudit:changes")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.id })) as never })}
        openId={search.row}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={Object.values(filters).some((each) => each !== undefined)}
        onClear={() => setSearch({ kind: undefined, action: undefined, actor: undefined })}
        exportUrl={address(`api/audit/export?${exported}`)}
        empty={{ title: t("tenantAudit:emptyTitle"), text: t("tenantAudit:emptyText") }}
      />
      <SidePanel
        opened={open !== undefined}
        onClose={() => setSearch({ row: undefined })}
        title={open ? `${words.action(open.action)} · ${words.kind(open.kind)}` : ""}
      >
        {open && (
          <Stack>
            <Table className="tg-facts" withRowBorders={false}>
              <Table.Tbody>
                <Table.Tr>
                  <Table.Th scope="row">{t("common:terms.time")}</Table.Th>
                  <Table.Td>
                    <Time at={open.at} form="full" />
                  </Table.Td>
                </Table.Tr>
                <Table.Tr>
                  <Table.Th scope="row">{t("tenantAudit:who")}</Table.Th>
                  <Table.Td>{who(open)}</Table.Td>
                </Table.Tr>
                <Table.Tr>
                  <Table.Th scope="row">{t("tenantAudit:what")}</Table.Th>
                  <Table.Td>{what(open) || <Id value={open.entity_id} />}</Table.Td>
                </Table.Tr>
                <Table.Tr>
                  <Table.Th scope="row">{t("tenantAudit:reason")}</Table.Th>
                  <Table.Td>{open.reason || "–"}</Table.Td>
                </Table.Tr>
                {open.address && (
                  <Table.Tr>
                    <Table.Th scope="row">{t("tenantAudit:address")}</Table.Th>
                    <Table.Td>{open.address}</Table.Td>
                  </Table.Tr>
                )}
                <Table.Tr>
                  <Table.Th scope="row">{t("tenantAudit:event")}</Table.Th>
                  <Table.Td>
                    <Id value={open.event_id} />
                  </Table.Td>
                </Table.Tr>
              </Table.Tbody>
            </Table>
            <JsonDiff before={open.before} after={open.after} />
          </Stack>
        )}
      </SidePanel>
    </Stack>
  );
}

function PerDay() {
  const { t } = useTranslation("tenantAudit");
  const words = useWords();
  const bar = useBar("30d");
  const query = { tenant_id: useTenantId(), from: bar.from, to: bar.to, zone: bar.zone, bucket: bar.bucket };
  const found = useQuery({
    queryKey: ["get", "/api/audit/changes", query],
    queryFn: () => data(api.GET("/api/audit/changes", { params: { query } })),
    placeholderData: keepPreviousData,
  });
  if (!found.data?.rows.length) return null;
  const kinds = [...new Set(found.data.rows.map((row) => row.kind))];
  const points: Point[] = found.data.buckets.map((bucket) => ({
    at: bucket.starts_at,
    partial: Date.parse(bucket.ends_at) > Date.now() - 60_000,
    values: Object.fromEntries(kinds.map((kind) => [kind, 0])),
  }));
  for (const row of found.data.rows) {
    const point = points[row.bucket];
    if (point) point.values[row.kind] = Number(point.values[row.kind] ?? 0) + row.changes;
  }
  return (
    <Chart
      title={t("perDay")}
      unit={t("perDay")}
      kind="bars"
      stacked
      points={points}
      series={seriesOf(kinds, words.kind)}
      format={(figure) => count(Number(figure))}
      height={150}
      totals
    />
  );
}

/** Whoever of the operator looked at what is this tenant's. */
function Looks() {
  const { t } = useTranslation(["tenantAudit", "common"]);
  const tenantId = useTenantId();
  const listing = useListing("/api/tenants/{tenant_id}/looks", { path: { tenant_id: tenantId } });
  const columns: Column<Look>[] = [
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (row) => <Time at={row.at} form="full" />,
      csv: (row) => row.at,
      fixed: true,
    },
    { key: "who", header: t("tenantAudit:who"), cell: (row) => row.login, csv: (row) => row.login },
    {
      key: "role",
      header: t("tenantAudit:role"),
      cell: (row) => t(`common:roles.${row.role as "root"}`, { defaultValue: row.role }),
      csv: (row) => row.role,
    },
    {
      key: "operation",
      header: t("tenantAudit:operation"),
      cell: (row) => <code className="tg-mono">{row.operation}</code>,
      csv: (row) => row.operation,
    },
  ];
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {t("tenantAudit:looksAbout")}
      </Text>
      <DataTable
        id="looks"
        caption={t("tenantAudit:looks")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.event_id}
        empty={{ text: t("tenantAudit:noLooks") }}
      />
    </Stack>
  );
}
