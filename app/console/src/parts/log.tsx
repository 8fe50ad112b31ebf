import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { TFunction } from "i18next";
import { type ReactNode, useMemo, useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import type { Column } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Money } from "~/kit/Money";
import { Time } from "~/kit/Time";
import { count, decimal, milliseconds } from "~/lib/format";
import { useChannelDirectory, useKeyDirectory, useUserDirectory } from "./directory";
import type { LogSearch, logFilters } from "./logSearch";
import { RequestState } from "./Receipt";
import { useTenantDirectory } from "./tenants";

export type LogRow = Schema["LogRow"];

export const STATES = ["captured", "voided", "expired", "refused", "attempt_failed", "adjusted"] as const;
const SURFACES = [
  "chat",
  "completions",
  "embeddings",
  "images",
  "image_edits",
  "speech",
  "transcriptions",
  "translations",
  "moderations",
  "rerank",
] as const;
const OUTCOMES = [
  "completed",
  "client_gone",
  "vendor_error",
  "interrupted",
  "refused_by_vendor",
  "timeout",
  "connect",
  "protocol",
  "hedge_lost",
] as const;
const BASES = ["vendor", "stream", "estimate", "policy"] as const;

const LIMITS = [
  "attempts_min",
  "latency_min",
  "latency_max",
  "first_byte_min",
  "first_byte_max",
  "tokens_min",
  "tokens_max",
  "input_tokens_min",
  "input_tokens_max",
  "output_tokens_min",
  "output_tokens_max",
] as const;
const AMOUNTS = ["charged_min", "charged_max", "cost_min", "cost_max", "margin_max"] as const;

/** The names beside ids in the log. */
export function useLogNames() {
  const tenants = useTenantDirectory();
  const channels = useChannelDirectory();
  const keys = useKeyDirectory();
  const users = useUserDirectory();
  return { tenants, channels, keys, users };
}
export type LogNames = ReturnType<typeof useLogNames>;

const MAIN = new Set(["request_id", "states", "tenant_id", "model_asked", "channel_id", "code"]);

/** The filters of the log: those asked for most, those in use, and the rest on demand. */
export function LogFilters(props: {
  search: LogSearch;
  onChange: (patch: LogSearch) => void;
  names: LogNames;
  extra?: ReactNode;
}) {
  const { t } = useTranslation(["adminRequests", "account", "common"]);
  const [all, setAll] = useState(false);
  const { search, names } = props;
  const types = useQuery({
    queryKey: ["get", "/api/channel-types"],
    queryFn: () => data(api.GET("/api/channel-types")),
    staleTime: 600_000,
    // It is long, and only for a filter that is seldom in use.
    enabled: all || search.vendor !== undefined,
  });
  const words = (values: readonly string[], chosen: string | undefined, label: (value: string) => string) =>
    [...new Set([...values, ...(chosen ? [chosen] : [])])].map((value) => ({ value, label: label(value) }));
  const same = (value: string) => value;
  const models = [...new Set(names.channels.rows.flatMap((each) => [...each.models, ...Object.keys(each.model_map)]))];
  const tenant = search.tenant_id ? Number(search.tenant_id) : null;
  const keys = names.keys.rows.filter((each) => tenant === null || each.tenant_id === tenant);
  const surface = (value: string) =>
    t(`adminRequests:surfaces.${value}` as "adminRequests:surfaces.chat", { defaultValue: value });
  const outcome = (value: string) =>
    t(`adminRequests:outcomes.${value}` as "adminRequests:outcomes.completed", { defaultValue: value });
  const basis = (value: string) =>
    t(`account:receipt.bases.${value}` as "account:receipt.bases.vendor", { defaultValue: value });
  const label = (key: keyof typeof logFilters) => t(`adminRequests:filters.${key}`);
  const choice = (key: keyof typeof logFilters, options: { value: string; label: string }[], width?: number) =>
    ({ key, kind: "choice", label: label(key), options, width }) as FilterField;
  const typed = (key: keyof typeof logFilters, width = 130) =>
    ({ key, kind: "text", label: label(key), width }) as FilterField;

  const fields: FilterField[] = [
    { key: "request_id", kind: "text", label: label("request_id"), isSearch: true, width: 180 },
    {
      key: "states",
      kind: "choices",
      label: label("states"),
      options: STATES.map((value) => ({ value, label: t(`account:states.${value}`) })),
      width: 190,
    },
    choice(
      "tenant_id",
      names.tenants.tenants.map((each) => ({ value: String(each.id), label: each.name })),
    ),
    choice("model_asked", words(models.sort(), search.model_asked, same)),
    choice(
      "channel_id",
      names.channels.rows.map((each) => ({ value: each.id, label: each.name })),
    ),
    typed("code", 120),
    choice(
      "token_id",
      words(
        keys.map((each) => each.id),
        search.token_id,
        names.keys.nameOf,
      ),
    ),
    choice(
      "user_id",
      words(
        names.users.rows.map((each) => each.id),
        search.user_id,
        names.users.nameOf,
      ),
    ),
    typed("tag", 110),
    choice("vendor", words((types.data?.items ?? []).map((each) => each.name).sort(), search.vendor, same), 140),
    typed("model_routed", 140),
    typed("model_billed", 140),
    choice("surface", words(SURFACES, search.surface, surface), 140),
    { key: "stream", kind: "flag", label: label("stream"), width: 110 },
    { key: "cached", kind: "flag", label: label("cached"), width: 130 },
    choice("outcome", words(OUTCOMES, search.outcome, outcome), 160),
    { key: "status", kind: "number", label: label("status"), width: 110 },
    choice("basis", words(BASES, search.basis, basis), 170),
    typed("multiplier", 100),
    typed("card_id", 120),
    { key: "card_version", kind: "number", label: label("card_version"), width: 130 },
    typed("limit_name", 130),
    ...LIMITS.map((key): FilterField => ({ key, kind: "number", label: label(key), width: 150 })),
    ...AMOUNTS.map((key): FilterField => typed(key, 120)),
  ];
  const further = fields.filter((field) => !MAIN.has(field.key));
  const shown = all
    ? fields
    : fields.filter((field) => MAIN.has(field.key) || search[field.key as keyof LogSearch] !== undefined);
  return (
    <>
      <Filters fields={shown} value={search} onChange={props.onChange as (patch: never) => void} />
      <Button
        size="compact-xs"
        variant="subtle"
        mt={6}
        aria-expanded={all}
        rightSection={<Icon name={all ? "up" : "chevron"} size={12} />}
        onClick={() => setAll(!all)}
      >
        {all ? t("adminRequests:fewerFilters") : t("adminRequests:moreFilters", { count: further.length })}
      </Button>
      {props.extra}
    </>
  );
}

export const inputTokens = (row: LogRow): number =>
  row.input_tokens +
  row.cached_input_tokens +
  row.cache_write_tokens +
  row.cache_write_1h_tokens +
  row.audio_input_tokens +
  row.image_input_tokens;
export const outputTokens = (row: LogRow): number =>
  row.output_tokens + row.reasoning_tokens + row.audio_output_tokens + row.image_output_tokens;
export const duration = (value: number | null): string => (value === null ? "–" : milliseconds(value));
/** What was refused was not charged nothing: it was not charged. */
export const chargeOf = (row: LogRow): string | null => (row.state === "refused" ? null : row.charged);
/** The model asked for, and the one that answered where it is another. */
export const modelsOf = (row: LogRow): string =>
  row.model_routed && row.model_routed !== row.model_asked
    ? `${row.model_asked} → ${row.model_routed}`
    : row.model_asked;

/** Every column that a row of the log has. */
export function useLogColumns(names: LogNames, clock: boolean): Column<LogRow>[] {
  const { t } = useTranslation(["adminRequests", "account", "common"]);
  const { tenants, keys, users, channels } = names;
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows with the same names are not drawn again.
  return useMemo(() => logColumns(t, names, clock), [t, clock, tenants.tenants, keys.rows, users.rows, channels.rows]);
}

function logColumns(
  t: TFunction<["adminRequests", "account", "common"]>,
  names: LogNames,
  clock: boolean,
): Column<LogRow>[] {
  const head = (key: Exclude<keyof typeof logFilters, "states">) => t(`adminRequests:filters.${key}`);
  const dash = <span className="tg-dim">–</span>;
  const figure = (
    key: string,
    header: string,
    of: (row: LogRow) => number | null,
    more?: Partial<Column<LogRow>>,
  ): Column<LogRow> => ({
    key,
    header,
    cell: (row) => {
      const value = of(row);
      return value === null || value === 0 ? dash : count(value);
    },
    csv: of,
    numeric: true,
    ...more,
  });
  const word = (
    key: string,
    header: string,
    of: (row: LogRow) => string,
    more?: Partial<Column<LogRow>>,
  ): Column<LogRow> => ({
    key,
    header,
    cell: (row) => {
      const written = of(row);
      return written ? (
        <span className="tg-clip" title={written}>
          {written}
        </span>
      ) : (
        dash
      );
    },
    csv: of,
    ...more,
  });
  const hidden = { hidden: true };
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
      key: "request",
      header: head("request_id"),
      cell: (row) => (row.request_id ? <Id value={row.request_id} /> : dash),
      csv: (row) => row.request_id,
      hidden: true,
    },
    word("tenant", t("common:terms.tenant"), (row) => names.tenants.nameOf(row.tenant_id)),
    word("key", t("common:terms.key"), (row) => names.keys.nameOf(row.token_id), hidden),
    word("user", t("common:terms.user"), (row) => names.users.nameOf(row.user_id), hidden),
    word("model", t("common:terms.model"), modelsOf, { hint: t("adminRequests:modelHint") }),
    word("billed", head("model_billed"), (row) => row.model_billed, hidden),
    {
      key: "channel",
      header: t("common:terms.channel"),
      // What was refused never came to one: why it was stands in its place.
      cell: (row) => {
        const channel = names.channels.nameOf(row.channel_id);
        const written = channel || row.code;
        if (!written) return dash;
        return (
          <span className={channel ? "tg-clip" : "tg-clip tg-mono"} title={written}>
            {channel || (row.count > 1 ? `${row.code} × ${count(row.count)}` : row.code)}
          </span>
        );
      },
      csv: (row) => names.channels.nameOf(row.channel_id),
    },
    word("vendor", t("common:terms.vendor"), (row) => row.vendor ?? "", hidden),
    word(
      "surface",
      head("surface"),
      (row) =>
        row.surface &&
        t(`adminRequests:surfaces.${row.surface}` as "adminRequests:surfaces.chat", { defaultValue: row.surface }),
      hidden,
    ),
    word("stream", head("stream"), (row) => t(row.stream ? "common:yes" : "common:no"), hidden),
    word("cached", head("cached"), (row) => t(row.cached ? "common:yes" : "common:no"), hidden),
    word("tags", t("common:tags"), (row) => row.tags.join(", "), hidden),
    figure("attempts", t("adminRequests:attempts"), (row) => row.attempts),
    figure("input", t("adminRequests:in"), inputTokens, { hint: t("common:terms.inputTokens") }),
    figure("cachedTokens", t("adminRequests:cachedIn"), (row) => row.cached_input_tokens, {
      hint: t("common:terms.cachedTokens"),
      hidden: true,
    }),
    figure("output", t("adminRequests:out"), outputTokens, { hint: t("common:terms.outputTokens") }),
    figure("reasoning", t("adminRequests:reasoning"), (row) => row.reasoning_tokens, {
      hint: t("common:terms.reasoningTokens"),
      hidden: true,
    }),
    {
      key: "firstByte",
      header: t("common:terms.firstByte"),
      cell: (row) => <span className="tg-lines">{duration(row.first_byte_milliseconds)}</span>,
      csv: (row) => row.first_byte_milliseconds,
      numeric: true,
      hidden: true,
    },
    {
      key: "total",
      header: t("account:receipt.total"),
      cell: (row) => <span className="tg-lines">{duration(row.latency_milliseconds)}</span>,
      csv: (row) => row.latency_milliseconds,
      numeric: true,
    },
    {
      key: "charged",
      header: t("common:terms.charge"),
      cell: (row) => <Money value={chargeOf(row)} />,
      csv: (row) => row.charged,
      numeric: true,
    },
    {
      key: "cost",
      header: t("common:terms.cost"),
      hint: t("adminRequests:costHint"),
      cell: (row) => <Money value={row.state === "refused" ? null : row.cost} />,
      csv: (row) => row.cost,
      numeric: true,
      hidden: true,
    },
    {
      key: "margin",
      header: t("common:terms.margin"),
      cell: (row) => <Money value={row.state === "refused" ? null : row.margin} />,
      csv: (row) => row.margin,
      numeric: true,
    },
    {
      key: "multiplier",
      header: t("common:terms.multiplier"),
      cell: (row) => (row.card_id ? `× ${decimal(row.multiplier)}` : dash),
      csv: (row) => row.multiplier,
      numeric: true,
      hidden: true,
    },
    figure("card", head("card_version"), (row) => row.card_version, hidden),
    word("basis", t("account:receipt.basis"), (row) => row.basis, hidden),
    {
      key: "code",
      header: t("adminRequests:filters.code"),
      cell: (row) =>
        row.code ? (
          <>
            <code className="tg-mono">{row.code}</code>
            {row.count > 1 && <span className="tg-dim">{` × ${count(row.count)}`}</span>}
          </>
        ) : (
          dash
        ),
      csv: (row) => row.code,
      hidden: true,
    },
    word("outcome", head("outcome"), (row) => row.outcome, hidden),
    figure("status", head("status"), (row) => row.status, hidden),
    word("limit", head("limit_name"), (row) => row.limit_name, hidden),
  ];
}
