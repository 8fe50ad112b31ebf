import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Money } from "~/kit/Money";
import { Stat, Stats } from "~/kit/Stat";
import { count, isZero, milliseconds, percent, plotted } from "~/lib/format";
import { Change } from "~/parts/Change";

/** The whole in eight figures. */
export function Figures(props: { overview: Schema["Overview"] | undefined; compare: boolean; loading: boolean }) {
  const { t } = useTranslation("adminOverview");
  const { overview, compare, loading } = props;
  const amounts = overview?.money;
  const requests = overview?.requests;
  const share =
    amounts?.margin && !isZero(amounts.settled)
      ? (plotted(amounts.margin) ?? 0) / (plotted(amounts.settled) ?? 1)
      : null;
  const duration = (value: number | null | undefined) => (value == null ? "–" : milliseconds(value));
  return (
    <Stats>
      <Stat
        label={t("settled")}
        hint={t("settledHint")}
        loading={loading}
        value={<Money value={amounts?.settled} to={{ to: "/admin/usage", search: true } as never} />}
        note={compare && amounts && <Change now={amounts.settled} before={amounts.settled_before} />}
      />
      {(loading || amounts?.margin != null) && (
        <Stat
          label={t("margin")}
          hint={t("marginHint")}
          loading={loading}
          value={<Money value={amounts?.margin} />}
          note={share !== null && t("marginOf", { share: percent(share) })}
        />
      )}
      <Stat label={t("held")} hint={t("heldHint")} loading={loading} value={<Money value={amounts?.held} />} />
      <Stat
        label={t("unspent")}
        hint={t("unspentHint")}
        loading={loading}
        value={<Money value={amounts?.unspent} to={{ to: "/admin/wallets" } as never} />}
        note={
          amounts && (
            <>
              {t("owed")} <Money value={amounts.owed} />
            </>
          )
        }
      />
      <Stat
        label={t("requests")}
        loading={loading}
        value={count(requests?.requests ?? 0)}
        note={compare && requests && <Change now={requests.requests} before={requests.requests_before} />}
      />
      <Stat
        label={t("errors")}
        hint={t("errorsHint")}
        loading={loading}
        value={requests?.error_permille == null ? "–" : percent(requests.error_permille / 1000)}
        note={
          requests &&
          t("errorsNote", { voids: count(requests.voids + requests.expired), refusals: count(requests.refusals) })
        }
      />
      <Stat
        label={t("latency")}
        hint={t("latencyHint")}
        loading={loading}
        value={duration(requests?.latency_p50)}
        note={requests?.latency_p95 != null && t("p95", { value: duration(requests.latency_p95) })}
      />
      <Stat
        label={t("firstByte")}
        loading={loading}
        value={duration(requests?.first_byte_p50)}
        note={requests?.tokens_per_second != null && t("tokensPerSecond", { count: requests.tokens_per_second })}
      />
    </Stats>
  );
}
