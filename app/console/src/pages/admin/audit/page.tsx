import { Stack } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart, type Point } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Page } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { count } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useTenantDirectory } from "~/parts/tenants";
import { seriesOf } from "~/parts/usage";
import { useMay } from "~/session/session";
import { address } from "~/site";
import { AuditPanel } from "./Panel";
import { adminAuditRoute } from "./routes";
import { ACTIONS, KINDS, useWords } from "./words";

type Item = Schema["AuditItem"];
const PLATFORM = 1;

export default function AdminAuditPage() {
  const { t } = useTranslation(["adminAudit", "common"]);
  const [search, setSearch] = useUrl(adminAuditRoute);
  const bar = useBar("30d");
  const words = useWords();
  const { tenants, nameOf } = useTenantDirectory();
  const people = usePeople();
  const tenantId = search.tenant === undefined ? undefined : Number(search.tenant);
  const filters = {
    kind: search.kind,
    action: search.action,
    actor: search.actor,
    tenant_id: tenantId,
    entity_id: search.entity,
  };
  const listing = useListing("/api/audit", { query: { from: bar.from, to: bar.to, ...filters } });
  const open = listing.rows.find((row) => row.id === search.row);
  const tenantOf = (row: Item) => (row.tenant_id === PLATFORM ? t("adminAudit:platform") : nameOf(row.tenant_id));
  const columns: Column<Item>[] = [
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (row) => <Time at={row.at} form="full" />,
      csv: (row) => row.at,
      fixed: true,
    },
    {
      key: "who",
      header: t("adminAudit:who"),
      cell: (row) => <span className="tg-wrap">{words.who(row)}</span>,
      csv: words.who,
    },
    {
      key: "action",
      header: t("adminAudit:action"),
      cell: (row) => words.action(row.action),
      csv: (row) => row.action,
    },
    { key: "kind", header: t("adminAudit:kind"), cell: (row) => words.kind(row.kind), csv: (row) => row.kind },
    {
      key: "what",
      header: t("adminAudit:what"),
      cell: (row) => words.name(row) || <code className="tg-mono">{row.entity_id.slice(0, 8)}</code>,
      csv: (row) => row.name || row.entity_id,
    },
    {
      key: "fields",
      header: t("adminAudit:fields"),
      cell: (row) =>
        row.changed.length > 4 ? (
          t("adminAudit:fieldCount", { count: row.changed.length })
        ) : (
          <span className="tg-mono tg-wrap">{row.changed.join(", ")}</span>
        ),
      csv: (row) => row.changed.join(" "),
    },
    { key: "tenant", header: t("common:terms.tenant"), cell: tenantOf, csv: (row) => row.tenant_id },
    {
      key: "reason",
      header: t("common:reason"),
      cell: (row) => row.reason || <span className="tg-dim">–</span>,
      csv: (row) => row.reason,
    },
    {
      key: "address",
      header: t("adminAudit:address"),
      cell: (row) => row.address || <span className="tg-dim">–</span>,
      csv: (row) => row.address,
    },
  ];
  const fields: FilterField[] = [
    {
      key: "kind",
      kind: "choice",
      label: t("adminAudit:kind"),
      options: KINDS.map((each) => ({ value: each, label: words.kind(each) })),
      width: 150,
    },
    { key: "entity", kind: "text", label: t("adminAudit:entity"), width: 150, isSearch: true },
    {
      key: "action",
      kind: "choice",
      label: t("adminAudit:action"),
      options: ACTIONS.map((each) => ({ value: each, label: words.action(each) })),
      width: 150,
    },
    { key: "actor", kind: "choice", label: t("adminAudit:who"), options: people, width: 150, searchable: true },
    {
      key: "tenant",
      kind: "choice",
      label: t("common:terms.tenant"),
      options: tenants.map((each) => ({ value: String(each.id), label: each.name })),
      width: 150,
      searchable: true,
    },
  ];
  const exported = new URLSearchParams({ from: bar.from, to: bar.to });
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, String(value));
  return (
    <Page title={t("adminAudit:title")} about={t("adminAudit:about")} bar={{ range: true, otherwise: "30d" }}>
      <Stack gap="lg">
        <PerDay tenantId={tenantId} />
        <DataTable
          id="audit"
          caption={t("adminAudit:title")}
          columns={columns}
          listing={listing}
          rowId={(row) => row.id}
          rowLink={(row) => ({
            to: ".",
            search: ((old: object) => ({ ...old, row: row.id, tab: undefined, at: undefined })) as never,
          })}
          openId={search.row}
          filters={
            <Filters
              fields={fields}
              value={search}
              onChange={(patch: object) => setSearch({ ...patch, row: undefined })}
            />
          }
          filtered={Object.values(filters).some((each) => each !== undefined)}
          onClear={() =>
            setSearch({ kind: undefined, action: undefined, actor: undefined, tenant: undefined, entity: undefined })
          }
          exportUrl={address(`api/audit/export?${exported}`)}
          empty={{ title: t("adminAudit:emptyTitle"), text: t("adminAudit:emptyText") }}
        />
      </Stack>
      <AuditPanel item={open} tenant={open ? tenantOf(open) : ""} />
    </Page>
  );
}

/** Who may have done something, for the filter. */
function usePeople(): { value: string; label: string }[] {
  const may = useMay();
  const users = useQuery({
    queryKey: ["get", "/api/users", "names"],
    queryFn: async () =>
      (await data(api.GET("/api/users", { params: { query: { limit: 500, include_archived: true } } }))).items,
    enabled: may("user:read"),
    staleTime: 60_000,
  });
  return (users.data ?? []).map((each) => ({ value: each.id, label: each.login }));
}

function PerDay(props: { tenantId: number | undefined }) {
  const { t } = useTranslation(["adminAudit", "common"]);
  const words = useWords();
  const bar = useBar("30d");
  const query = { tenant_id: props.tenantId, from: bar.from, to: bar.to, zone: bar.zone, bucket: bar.bucket };
  const found = useQuery({
    queryKey: ["get", "/api/audit/changes", query],
    queryFn: () => data(api.GET("/api/audit/changes", { params: { query } })),
    placeholderData: keepPreviousData,
  });
  const { points, kinds } = changePoints(found.data ?? { buckets: [], rows: [] });
  const title =
    bar.bucket === "day"
      ? t("adminAudit:perDay")
      : bar.bucket === "hour"
        ? t("adminAudit:perHour")
        : t("adminAudit:perMinute");
  return (
    <Chart
      title={title}
      unit={title}
      kind="bars"
      stacked
      points={points}
      series={seriesOf(kinds, (kind) => (kind === "(rest)" ? t("common:terms.rest") : words.kind(kind)))}
      format={(figure) => count(Number(figure))}
      height={160}
      loading={found.isPending}
      totals
    />
  );
}

/** More kinds than these share one color. */
const KINDS_DRAWN = 8;
const REST = "(rest)";

/** Changes over time, a series for each kind of thing, all its actions together; the rarest kinds are one. */
export function changePoints(
  changes: Pick<Schema["ChangeCounts"], "buckets" | "rows">,
  now = Date.now(),
): { points: Point[]; kinds: string[] } {
  const sums = new Map<string, number>();
  for (const row of changes.rows) sums.set(row.kind, (sums.get(row.kind) ?? 0) + row.changes);
  const ranked = [...sums].sort(([, one], [, other]) => other - one).map(([kind]) => kind);
  const kinds = ranked.length > KINDS_DRAWN ? [...ranked.slice(0, KINDS_DRAWN - 1), REST] : ranked;
  const points: Point[] = changes.buckets.map((bucket) => ({
    at: bucket.starts_at,
    partial: Date.parse(bucket.ends_at) > now - 60_000,
    values: Object.fromEntries(kinds.map((kind) => [kind, 0])),
  }));
  for (const row of changes.rows) {
    const point = points[row.bucket];
    const key = kinds.includes(row.kind) ? row.kind : REST;
    if (point) point.values[key] = Number(point.values[key] ?? 0) + row.changes;
  }
  return { points, kinds };
}
