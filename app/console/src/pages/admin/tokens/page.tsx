import { Button, Stack, Table, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, data, type Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { Sparkline } from "~/kit/Chart";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { History } from "~/kit/History";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { Time } from "~/kit/Time";
import { Who } from "~/kit/Who";
import { addAmounts, count, date, listed } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { KeyState } from "~/pages/tenant/keys/KeyState";
import { LimitLines } from "~/parts/Budgets";
import { LimitTable } from "~/parts/LimitTable";
import { useTenantDirectory } from "~/parts/tenantNames";
import { groupedPoints, totals, useUsage } from "~/parts/usage";
import { useMay } from "~/session/session";
import { address } from "~/site";
import { adminTokensRoute } from "./routes";

type Key = Schema["TokenView"];

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
      cell: (each) => <code className="tg-mono">{each.hint}</code>,
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
  const exported = new URLSearchParams();
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, String(value));
  return (
    <Page title={t("adminTokens:title")} about={t("adminTokens:about")}>
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
        empty={{ title: t("tenantKeys:emptyTitle"), text: t("tenantKeys:emptyText") }}
      />
      <KeyPanel
        id={search.row}
        tenantName={nameOf}
        onClose={() => setSearch({ row: undefined })}
        onRevoke={(key) => setRevoking([key])}
      />
      <Revoke
        keys={revoking}
        onClose={() => setRevoking([])}
        onDone={() => {
          setRevoking([]);
          setChosen(new Set());
        }}
      />
    </Page>
  );
}

/** What each of these keys spent in thirty days, day by day; of the first hundred rows. */
function useKeyUse(keys: Key[]) {
  const ids = keys
    .slice(0, 100)
    .map((each) => each.id)
    .sort();
  const usage = useUsage(
    { by: "token", bucket: "day", token_ids: ids.join(","), top: 100 },
    { enabled: ids.length > 0 },
  ).data;
  return useMemo(() => {
    const found = new Map<string, { figures: string[]; charged: string; last: string | null }>();
    if (!usage) return found;
    const { points, keys: used } = groupedPoints(usage, "token", (sums) => sums.charged, "0");
    for (const id of used) {
      const figures = points.map((point) => String(point.values[id] ?? "0"));
      const last = usage.rows
        .filter((each) => each.keys.token === id && each.sums.requests > 0)
        .reduce((latest, each) => Math.max(latest, each.bucket), -1);
      found.set(id, {
        figures,
        charged: addAmounts(...figures),
        last: last < 0 ? null : date(usage.buckets[last]?.starts_at ?? "", usage.zone),
      });
    }
    return found;
  }, [usage]);
}

function KeyPanel(props: {
  id: string | undefined;
  tenantName: (id: number) => string;
  onClose: () => void;
  onRevoke: (key: Key) => void;
}) {
  const { t } = useTranslation(["tenantKeys", "adminTokens", "common", "kit"]);
  const may = useMay();
  const query = useQuery({
    queryKey: ["get", "/api/tokens", "one", props.id],
    queryFn: () => data(api.GET("/api/tokens/{token_id}", { params: { path: { token_id: props.id as string } } })),
    enabled: props.id !== undefined,
  });
  const facts = (key: Key): [string, ReactNode][] => [
    [t("common:terms.status"), <KeyState key="state" token={key} />],
    [t("tenantKeys:columns.hint"), <code key="hint">{key.hint}</code>],
    [t("common:terms.tenant"), props.tenantName(key.tenant_id)],
    [t("adminTokens:owner"), <Who key="owner" actor={`user:${key.user_id}`} />],
    [t("tenantKeys:fields.expires"), <Time key="expires" at={key.expires_at} form="full" />],
    [
      t("tenantKeys:fields.models"),
      key.models === null ? t("tenantKeys:fields.allModels") : listed(key.models as string[]),
    ],
    [t("tenantKeys:columns.limits"), <LimitLines key="limits" budgets={key.budgets} limits={key.limits} />],
    [t("tenantKeys:fields.networks"), key.networks.length ? listed([...key.networks]) : t("tenantKeys:anywhere")],
    [t("tenantKeys:fields.tags"), key.tags.length ? listed([...key.tags]) : t("common:none")],
    [t("common:terms.created"), <Time key="created" at={key.created_at} form="full" />],
    [t("tenantKeys:columns.id"), <Id key="id" value={key.id} />],
  ];
  return (
    <SidePanel
      opened={props.id !== undefined}
      onClose={props.onClose}
      title={query.data?.name ?? t("common:terms.key")}
      wide
    >
      <Loaded query={query}>
        {(key) => (
          <Stack>
            {may("token:write") && !key.revoked && !key.archived && (
              <Button
                w="fit-content"
                color="red"
                variant="light"
                size="xs"
                leftSection={<Icon name="x" size={14} />}
                onClick={() => props.onRevoke(key)}
              >
                {t("tenantKeys:revoke")}
              </Button>
            )}
            <Table className="tg-facts" withRowBorders={false}>
              <Table.Tbody>
                {facts(key).map(([name, value]) => (
                  <Table.Tr key={name}>
                    <Table.Th scope="row">{name}</Table.Th>
                    <Table.Td>{value}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
            <LimitTable tenantId={key.tenant_id} ownerId={key.id} />
            <Section title={t("kit:history.title")}>
              <History path="/api/tokens/{token_id}/history" params={{ token_id: key.id }} />
            </Section>
          </Stack>
        )}
      </Loaded>
    </SidePanel>
  );
}

/** Revoke keys of one tenant, all or none, with what they did lately. */
function Revoke(props: { keys: Key[]; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation(["tenantKeys", "adminTokens"]);
  const client = useQueryClient();
  const { keys } = props;
  const only = keys.length === 1 ? keys[0] : undefined;
  const ids = keys.map((each) => each.id).join(",");
  const usage = useUsage({ by: "token", bucket: "month", token_ids: ids, top: 100 }, { enabled: keys.length > 0 }).data;
  const sums = totals(usage);
  return (
    <ConfirmDanger
      opened={keys.length > 0}
      onClose={props.onClose}
      title={
        only ? t("tenantKeys:revokeTitle", { name: only.name }) : t("adminTokens:revokeMany", { count: keys.length })
      }
      word={only ? only.name : String(keys.length)}
      submit={t("tenantKeys:revoke")}
      done={t("tenantKeys:revoked")}
      effect={
        <>
          <Text size="sm">{t("adminTokens:revokeEffect", { count: keys.length })}</Text>
          {usage && (
            <Text size="sm" component="div">
              {t("adminTokens:revokeUse", { requests: count(sums.requests) })} <Money value={sums.charged} />
            </Text>
          )}
        </>
      }
      onConfirm={async (call) => {
        await api.PATCH("/api/tokens", {
          body: {
            items: keys.map((each) => ({ id: each.id, version: each.version, change: { revoked: true as const } })),
            reason: call.reason,
          },
        });
        void client.invalidateQueries({ queryKey: ["get", "/api/tokens"] });
        void client.invalidateQueries({ queryKey: ["get", "/api/tokens/{token_id}/history"] });
        props.onDone();
      }}
    />
  );
}
