import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";

/** What has a state that can be shown as of a moment; the other kinds only happen. */
export const THINGS = [
  "tenant",
  "user",
  "token",
  "channel",
  "group",
  "multiplier",
  "rate_card",
  "mapping",
  "setting",
  "code_batch",
  "routing_policy",
  "announcement",
] as const;
export const KINDS = [...THINGS, "credit", "invitation", "personal_token", "ledger"] as const;
export const ACTIONS = [
  "created",
  "changed",
  "archived",
  "restored",
  "key_changed",
  "health_reset",
  "signed_in",
  "sessions_ended",
  "password_changed",
  "looked",
  "granted",
  "redeemed",
  "adjusted",
  "lapsed",
  "verification",
  "rebuild",
  "retried",
] as const;

export const hasState = (kind: string): boolean => (THINGS as readonly string[]).includes(kind);

/** The words for kinds and actions; one that this console does not know stays as the API has it. */
export function useWords() {
  const { t } = useTranslation(["adminAudit", "tenantWallet", "kit"]);
  return {
    kind: (kind: string) => t(`adminAudit:kinds.${kind as (typeof KINDS)[number]}`, { defaultValue: kind }),
    action: (action: string) => t(`adminAudit:actions.${action as (typeof ACTIONS)[number]}`, { defaultValue: action }),
    // Of credit the name is its source, as the API has it.
    name: (row: Pick<Schema["AuditItem"], "kind" | "name">) =>
      row.kind === "credit" && row.name
        ? t(`tenantWallet:sources.${row.name as "top_up"}`, { defaultValue: row.name })
        : row.name,
    who: (row: Pick<Schema["AuditItem"], "actor" | "actor_login">) =>
      row.actor_login ?? (row.actor === "" ? t("kit:history.system") : row.actor),
  };
}
