import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Status } from "~/kit/Status";
import { stateOf } from "./terms";

const TONES = { active: "good", expired: "warn", revoked: "quiet" } as const;

export function KeyState({ token }: { token: Schema["TokenView"] }) {
  const { t } = useTranslation("tenantKeys");
  const state = stateOf(token);
  return <Status tone={TONES[state]}>{t(`states.${state}`)}</Status>;
}
