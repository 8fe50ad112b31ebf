import { useTranslation } from "~/i18n/use";
import { Status } from "~/kit/Status";
import { useZone } from "~/kit/Time";
import { timeOfDay } from "~/lib/format";
import type { Channel, Health } from "./channel";

const TONES = { sound: "good", recovering: "warn", out: "bad", paused: "warn" } as const;

/** How a channel stands: a person's switch before the machine's judgment. Null: nothing is known yet, so it is sound. */
export function HealthState(props: { channel?: Pick<Channel, "enabled" | "archived">; health: Health | null }) {
  const { t } = useTranslation("adminChannels");
  const zone = useZone();
  const { channel, health } = props;
  if (channel?.archived) return <Status tone="quiet">{t("states.archived")}</Status>;
  if (channel && !channel.enabled) return <Status tone="quiet">{t("states.off")}</Status>;
  if (!health) return <Status tone="good">{t("states.sound")}</Status>;
  const time = health.paused_until ? timeOfDay(health.paused_until, zone) : "";
  return (
    <Status tone={TONES[health.state]} title={health.cause ?? undefined}>
      {t(`states.${health.state}`, { percent: health.percent, time })}
    </Status>
  );
}
