import { flag, type SearchOf, several, text, whole } from "~/lib/search";

/** The filters of the log, as they stand in a URL. */
export const logFilters = {
  states: several,
  request_id: text,
  tenant_id: text,
  token_id: text,
  user_id: text,
  model_asked: text,
  model_routed: text,
  model_billed: text,
  channel_id: text,
  vendor: text,
  surface: text,
  stream: flag,
  cached: flag,
  tag: text,
  outcome: text,
  status: whole,
  code: text,
  basis: text,
  multiplier: text,
  card_id: text,
  card_version: whole,
  limit_name: text,
  attempts_min: whole,
  latency_min: whole,
  latency_max: whole,
  first_byte_min: whole,
  first_byte_max: whole,
  tokens_min: whole,
  tokens_max: whole,
  input_tokens_min: whole,
  input_tokens_max: whole,
  output_tokens_min: whole,
  output_tokens_max: whole,
  charged_min: text,
  charged_max: text,
  cost_min: text,
  cost_max: text,
  margin_max: text,
};
/** One row for each thing that somebody asked for; attempts and corrections belong to one of them. */
export const OPERATIONS = ["captured", "voided", "expired", "refused"] as const;

export type LogSearch = SearchOf<typeof logFilters>;

/** The filters alone, of all that a URL holds. */
export function filtersOf(search: LogSearch): LogSearch {
  const found = Object.keys(logFilters).map((key) => [key, search[key as keyof LogSearch]] as const);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined)) as LogSearch;
}

/** What takes every filter away. */
export const noFilters = (): LogSearch =>
  Object.fromEntries(Object.keys(logFilters).map((key) => [key, undefined])) as LogSearch;

/** The filters as the API takes them. */
export function logQuery(search: LogSearch) {
  const { states, tenant_id, ...others } = filtersOf(search);
  const tenant = Number(tenant_id);
  return {
    ...others,
    ...(states ? { states: states.join(",") } : {}),
    ...(tenant_id && Number.isSafeInteger(tenant) ? { tenant_id: tenant } : {}),
  };
}

export function asParameters(asked: Record<string, unknown>): URLSearchParams {
  const found = new URLSearchParams();
  for (const [key, value] of Object.entries(asked)) if (value !== undefined) found.set(key, String(value));
  return found;
}
