import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { seriesColor } from "~/kit/colors";
import { Empty } from "~/kit/Empty";
import { Failure } from "~/kit/Failure";
import { Page } from "~/kit/Page";
import { snippets } from "~/kit/snippets";
import { count, milliseconds, money } from "~/lib/format";
import { useBar } from "~/lib/range";
import { groupedPoints, measuredPoints, seriesOf, useTop, useUsage } from "~/parts/usage";
import { useMay } from "~/session/session";
import { site } from "~/site";
import { Attention } from "./Attention";
import { Figures } from "./Figures";
import { latencyPoints } from "./latency";
import { questions } from "./questions";
import { TopTenants } from "./TopTenants";

const LIVE_MILLISECONDS = 5000;

export default function AdminOverviewPage() {
  const { t } = useTranslation(["adminOverview", "common"]);
  const bar = useBar();
  const may = useMay();
  const withCost = may("cost:read");
  const every = bar.live ? LIVE_MILLISECONDS : false;
  const asked = questions(bar);
  const overview = useQuery({ ...asked.overview, placeholderData: keepPreviousData, refetchInterval: every });
  const usage = useUsage(asked.usage, { refetchInterval: every });
  const top = useTop(asked.top, { refetchInterval: every });
  const latency = useQuery({ ...asked.latency, placeholderData: keepPreviousData, refetchInterval: every });

  const failed = overview.error ?? usage.error ?? top.error ?? latency.error;
  const byVendor = usage.data && groupedPoints(usage.data, "vendor", (sums) => sums.charged, "0");
  const isEmpty = overview.data?.requests.requests === 0 && overview.data.requests.refusals === 0;
  const curl = snippets("sk-...", "demo-chat")[0]?.text ?? "";
  return (
    <Page
      title={t("title")}
      about={t("about")}
      bar={{ range: true, zone: true, compare: true, live: true }}
      readAt={overview.dataUpdatedAt}
    >
      {failed && <Failure problem={failed} onRetry={() => void overview.refetch()} />}
      <Figures overview={overview.data} compare={bar.compare} loading={overview.isPending} />
      {overview.data && <Attention overview={overview.data} />}
      {isEmpty ? (
        <Empty title={t("demoTitle")} text={t("demoText")} command={curl} />
      ) : (
        <>
          <div className="tg-charts">
            <Chart
              title={t("spendChart")}
              unit={usage.data?.currency ?? site.currency}
              kind="bars"
              stacked
              totals
              points={byVendor?.points ?? []}
              series={seriesOf(byVendor?.keys ?? [], (key) =>
                key === "(rest)" ? t("common:terms.rest") : key || t("noVendor"),
              )}
              format={(figure) => money(String(figure))}
              loading={usage.isPending}
            />
            {withCost && (
              <Chart
                title={t("moneyChart")}
                unit={usage.data?.currency ?? site.currency}
                kind="lines"
                points={
                  usage.data
                    ? measuredPoints(usage.data, { cost: (sums) => sums.cost, margin: (sums) => sums.margin }, "0")
                    : []
                }
                series={[
                  { key: "cost", label: t("cost"), color: "var(--tg-series-1)" },
                  { key: "margin", label: t("margin"), color: "var(--tg-series-2)" },
                ]}
                format={(figure) => money(String(figure))}
                loading={usage.isPending}
              />
            )}
            <Chart
              title={t("requestsChart")}
              unit={t("requestsUnit")}
              kind="bars"
              stacked
              totals
              points={
                usage.data
                  ? measuredPoints(usage.data, {
                      answered: (sums) => sums.requests,
                      failed: (sums) => sums.voids + sums.expired,
                      refused: (sums) => sums.refusals,
                    })
                  : []
              }
              series={[
                { key: "answered", label: t("answered"), color: "var(--tg-series-0)" },
                { key: "failed", label: t("failed"), color: "var(--tg-series-4)" },
                { key: "refused", label: t("refused"), color: "var(--tg-series-1)" },
              ]}
              format={(figure) => count(Number(figure))}
              loading={usage.isPending}
            />
            <Chart
              title={t("latencyChart")}
              unit={t("millisecondsUnit")}
              kind="lines"
              points={latency.data ? latencyPoints(latency.data) : []}
              series={[
                { key: "latency_p50", label: t("latencyP50"), color: seriesColor("latency_p50") },
                { key: "latency_p95", label: t("latencyP95"), color: seriesColor("latency_p95") },
                { key: "first_byte_p50", label: t("firstByteP50"), color: seriesColor("first_byte_p50") },
              ]}
              format={(figure) => milliseconds(Number(figure))}
              loading={latency.isPending}
            />
          </div>
          <TopTenants top={top} total={overview.data?.money.settled} />
        </>
      )}
    </Page>
  );
}
