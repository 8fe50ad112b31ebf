import { Stack } from "@mantine/core";
import type { TFunction } from "i18next";
import { useMemo } from "react";
import type { Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Money } from "~/kit/Money";
import { Page } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { snippets } from "~/kit/snippets";
import { Time } from "~/kit/Time";
import { count, milliseconds } from "~/lib/format";
import { useBar } from "~/lib/range";
import { besideList, useUrl } from "~/lib/url";
import { useKeys, useMayHere, useMembers, useModelNames, useTenantId } from "~/parts/account";
import { useLatency } from "~/parts/latency";
import { Receipt, RequestState } from "~/parts/Receipt";
import { Refusal } from "~/parts/Refusal";
import { address } from "~/site";
import { asked } from "./questions";
import { tenantRequestsRoute } from "./routes";

type Row = Schema["LogRow"];

const STATES = ["captured", "voided", "expired", "refused", "attempt_failed", "adjusted"] as const;
const input = (row: Row): number =>
  row.input_tokens +
  row.cached_input_tokens +
  row.cache_write_tokens +
  row.cache_write_1h_tokens +
  row.audio_input_tokens +
  row.image_input_tokens;
const output = (row: Row): number =>
  row.output_tokens + row.reasoning_tokens + row.audio_output_tokens + row.image_output_tokens;

function columnsOf(
  t: TFunction<["tenantRequests", "account", "common"]>,
  keyName: (id: string | null) => string,
  memberName: (id: string | null) => string,
  clock: boolean,
): Column<Row>[] {
  return [
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (row) => <Time at={row.at} form={clock ? "clock" : "full"} />,
      csv: (row) => row.at,
      fixed: true,
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <RequestState state={row.state} />,
      csv: (row) => row.state,
    },
    {
      key: "model",
      header: t("common:terms.model"),
      cell: (row) => row.model_asked || <span className="tg-dim">–</span>,
      csv: (row) => row.model_asked,
    },
    {
      key: "key",
      header: t("common:terms.key"),
      cell: (row) => keyName(row.token_id),
      csv: (row) => keyName(row.token_id),
    },
    {
      key: "member",
      header: t("common:terms.member"),
      cell: (row) => memberName(row.user_id),
      csv: (row) => memberName(row.user_id),
      hidden: true,
    },
    {
      key: "input",
      header: t("tenantRequests:in"),
      hint: t("common:terms.inputTokens"),
      cell: (row) => count(input(row)),
      csv: input,
      numeric: true,
    },
    {
      key: "cached",
      header: t("tenantRequests:cached"),
      hint: t("common:terms.cachedTokens"),
      cell: (row) => count(row.cached_input_tokens),
      csv: (row) => row.cached_input_tokens,
      numeric: true,
      hidden: true,
    },
    {
      key: "output",
      header: t("tenantRequests:out"),
      hint: t("common:terms.outputTokens"),
      cell: (row) => count(output(row)),
      csv: output,
      numeric: true,
    },
    {
      key: "firstByte",
      header: t("common:terms.firstByte"),
      cell: (row) => (row.first_byte_milliseconds === null ? "–" : milliseconds(row.first_byte_milliseconds)),
      csv: (row) => row.first_byte_milliseconds,
      numeric: true,
    },
    {
      key: "total",
      header: t("account:receipt.total"),
      cell: (row) => (row.latency_milliseconds === null ? "–" : milliseconds(row.latency_milliseconds)),
      csv: (row) => row.latency_milliseconds,
      numeric: true,
    },
    {
      key: "charged",
      header: t("common:terms.charge"),
      cell: (row) => <Money value={row.state === "refused" ? null : row.charged} />,
      csv: (row) => row.charged,
      numeric: true,
    },
    {
      key: "code",
      header: t("tenantRequests:code"),
      cell: (row) =>
        row.code ? (
          <>
            <code className="tg-mono">{row.code}</code>
            {row.count > 1 && <span className="tg-dim">{` × ${count(row.count)}`}</span>}
          </>
        ) : null,
      csv: (row) => row.code,
    },
    {
      key: "tags",
      header: t("common:tags"),
      cell: (row) => row.tags.join(", "),
      csv: (row) => row.tags.join(" "),
      hidden: true,
    },
    {
      key: "stream",
      header: t("account:receipt.streamed"),
      cell: (row) => (row.stream ? t("common:yes") : t("common:no")),
      csv: (row) => row.stream,
      hidden: true,
    },
  ];
}

export default function TenantRequestsPage() {
  const { t } = useTranslation(["tenantRequests", "account", "common"]);
  const [search, setSearch] = useUrl(tenantRequestsRoute);
  const bar = useBar("24h");
  const tenantId = useTenantId();
  const may = useMayHere();
  const keys = useKeys(tenantId);
  const { members, nameOf } = useMembers(tenantId);
  const models = useModelNames(tenantId);
  const { states, request_id, model_asked, token_id, user_id, tag, code, stream, latency_min, charged_min } = search;
  const filters = { states, request_id, model_asked, token_id, user_id, tag, code, stream, latency_min, charged_min };
  const query = asked(tenantId, bar, search);
  const listing = useListing("/api/reports/requests", {
    query,
    refetchInterval: bar.live ? 3000 : undefined,
  });
  const open = listing.rows.find((row) => row.id === search.row);
  const panelRequest = open?.request_id ?? (search.row && !/^\d+-/.test(search.row) ? search.row : undefined);

  const fields: FilterField[] = [
    { key: "request_id", kind: "text", label: t("account:receipt.request"), isSearch: true },
    {
      key: "states",
      kind: "choice",
      label: t("common:terms.status"),
      options: STATES.map((each) => ({ value: each, label: t(`account:states.${each}`) })),
      width: 140,
    },
    {
      key: "model_asked",
      kind: "choice",
      label: t("common:terms.model"),
      options: [...new Set([...models, ...(model_asked ? [model_asked] : [])])].map((each) => ({
        value: each,
        label: each,
      })),
    },
    {
      key: "token_id",
      kind: "choice",
      label: t("common:terms.key"),
      options: keys.keys.map((each) => ({ value: each.id, label: each.name })),
    },
    ...(may("report:read") && members.length > 1
      ? [
          {
            key: "user_id",
            kind: "choice" as const,
            label: t("common:terms.member"),
            options: members.map((each) => ({ value: each.user_id, label: each.name || each.login })),
          },
        ]
      : []),
    { key: "tag", kind: "text", label: t("tenantRequests:tag"), width: 110 },
    { key: "latency_min", kind: "number", label: t("tenantRequests:slowerThan"), width: 150 },
    { key: "charged_min", kind: "text", label: t("tenantRequests:dearerThan"), width: 140 },
  ];
  const clock = bar.range === "1h" || bar.range === "24h";
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows with the same names are not drawn again.
  const columns = useMemo(() => columnsOf(t, keys.nameOf, nameOf, clock), [t, keys.keys, members, clock]);
  const exported = new URLSearchParams({ tenant_id: String(tenantId), from: bar.from, to: bar.to });
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, String(value));
  return (
    <Page
      title={t("tenantRequests:title")}
      about={t("tenantRequests:about")}
      bar={{ range: true, live: true }}
      readAt={listing.readAt}
    >
      {may("report:read") && <Speed tenantId={tenantId} model={model_asked} />}
      <DataTable
        id="requests"
        caption={t("tenantRequests:title")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        rowLink={besideList}
        openId={search.row}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={Object.values(filters).some((each) => each !== undefined)}
        onClear={() => setSearch(Object.fromEntries(Object.keys(filters).map((key) => [key, undefined])))}
        exportUrl={address(`api/reports/requests/export?${exported}`)}
        empty={{
          title: t("tenantRequests:emptyTitle"),
          text: t("tenantRequests:emptyText"),
          command: snippets("sk-...", models[0] ?? "demo-chat")[0]?.text,
        }}
      />
      <SidePanel
        opened={search.row !== undefined}
        onClose={() => setSearch({ row: undefined })}
        title={open?.state === "refused" ? t("account:states.refused") : t("account:receipt.title")}
        page={
          panelRequest
            ? {
                to: "/t/$tenantId/requests/$requestId",
                params: { tenantId: String(tenantId), requestId: panelRequest },
              }
            : undefined
        }
        wide
      >
        {panelRequest ? (
          <Receipt requestId={panelRequest} keyName={keys.nameOf} memberName={nameOf} />
        ) : (
          search.row && <Refusal tenantId={tenantId} id={search.row} keyName={keys.nameOf} />
        )}
      </SidePanel>
    </Page>
  );
}

/** How fast answers came, over the range of the bar. */
function Speed(props: { tenantId: number; model: string | undefined }) {
  const { t } = useTranslation(["tenantRequests", "common"]);
  const bar = useBar("24h");
  const latency = useLatency({ tenantId: props.tenantId, model: props.model, bar });
  const written = (figure: number | string) => milliseconds(Number(figure));
  return (
    <Stack gap="sm">
      <div className="tg-charts">
        <Chart
          title={t("tenantRequests:duration")}
          unit={t("common:units.milliseconds")}
          kind="lines"
          points={latency.points("latency_p50", "latency_p95")}
          series={[
            { key: "latency_p50", label: t("tenantRequests:p50"), color: "var(--tg-series-2)" },
            { key: "latency_p95", label: t("tenantRequests:p95"), color: "var(--tg-series-1)" },
          ]}
          format={written}
          height={160}
        />
        <Chart
          title={t("common:terms.firstByte")}
          unit={t("common:units.milliseconds")}
          kind="lines"
          points={latency.points("first_byte_p50", "first_byte_p95")}
          series={[
            { key: "first_byte_p50", label: t("tenantRequests:p50"), color: "var(--tg-series-2)" },
            { key: "first_byte_p95", label: t("tenantRequests:p95"), color: "var(--tg-series-1)" },
          ]}
          format={written}
          height={160}
        />
      </div>
    </Stack>
  );
}
