import type codes from "~/i18n/en/clientCodes";
import { useTranslation } from "~/i18n/use";

export type ClientCode = keyof typeof codes;

/** Codes under /v1, in the order in which people meet them. */
export const CLIENT_CODES: readonly { code: ClientCode; status: number; retry: boolean }[] = [
  { code: "invalid_api_key", status: 401, retry: false },
  { code: "insufficient_quota", status: 429, retry: false },
  { code: "budget_exceeded", status: 429, retry: false },
  { code: "allowance_exhausted", status: 429, retry: false },
  { code: "rate_limit_exceeded", status: 429, retry: true },
  { code: "concurrency_limit_exceeded", status: 429, retry: true },
  { code: "too_many_requests", status: 429, retry: true },
  { code: "request_too_large", status: 400, retry: false },
  { code: "model_not_found", status: 404, retry: false },
  { code: "model_unpriced", status: 400, retry: false },
  { code: "invalid_value", status: 400, retry: false },
  { code: "unsupported_parameter", status: 400, retry: false },
  { code: "content_filter", status: 400, retry: false },
  { code: "tenant_suspended", status: 403, retry: false },
  { code: "user_disabled", status: 403, retry: false },
  { code: "overloaded", status: 503, retry: true },
  { code: "no_channel_available", status: 503, retry: true },
  { code: "vendor_unavailable", status: 503, retry: true },
  { code: "vendor_error", status: 502, retry: true },
  { code: "timeout", status: 504, retry: true },
  { code: "ledger_unavailable", status: 503, retry: true },
];

const KNOWN = new Set<string>(CLIENT_CODES.map((each) => each.code));

/** Cause and remedy of a code of the API under /v1; null of one that this console does not know. */
export function useClientCode(): (code: string) => { cause: string; fix: string } | null {
  const { t } = useTranslation("clientCodes");
  return (code) =>
    KNOWN.has(code) ? { cause: t(`${code as ClientCode}.cause`), fix: t(`${code as ClientCode}.fix`) } : null;
}
