import { useTranslation } from "~/i18n/use";
import { Stat, Stats } from "~/kit/Stat";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { count, milliseconds } from "~/lib/format";
import { type Health, verdict } from "./ledger";

/** The books in four figures. */
export function Figures({ health }: { health: Health }) {
  const { t } = useTranslation("adminLedger");
  const { state, tone } = verdict(health);
  const behind = health.projections.reduce((sum, each) => sum + each.events_behind, 0);
  const { seals } = health;
  return (
    <Stats>
      <Stat
        label={t("books")}
        value={<Status tone={tone}>{t(`verdict.${state}`)}</Status>}
        note={
          health.verification ? (
            <>
              {t("lastVerified")} <Time at={health.verification.ended_at} />
            </>
          ) : (
            t("neverVerified")
          )
        }
      />
      <Stat
        label={t("behind")}
        hint={t("behindHint")}
        value={count(behind)}
        note={
          health.parked.length > 0 ? (
            <Status tone="bad">{t("parkedCount", { count: health.parked.length })}</Status>
          ) : (
            t("ofEvents", { events: count(health.events), lanes: count(health.lanes) })
          )
        }
      />
      <Stat
        label={t("openHolds")}
        value={count(health.holds_open)}
        note={
          health.holds_overdue > 0 ? (
            <Status tone="warn">{t("overdue", { count: health.holds_overdue })}</Status>
          ) : health.oldest_hold_seconds !== null ? (
            t("oldestHold", { age: milliseconds(health.oldest_hold_seconds * 1000) })
          ) : (
            t("noHolds")
          )
        }
      />
      <Stat
        label={t("sealHead")}
        hint={t("sealHint")}
        value={seals.number === null ? "–" : t("sealNumber", { number: count(seals.number) })}
        note={
          seals.unsealed_since ? (
            t("sealDelay", {
              count: seals.unsealed,
              delay: milliseconds(Math.max(0, Date.parse(health.at) - Date.parse(seals.unsealed_since))),
            })
          ) : seals.sealed_at ? (
            <>
              {t("sealedAt")} <Time at={seals.sealed_at} />
            </>
          ) : (
            t("neverSealed")
          )
        }
      />
    </Stats>
  );
}
