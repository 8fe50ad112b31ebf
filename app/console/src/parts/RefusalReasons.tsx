import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Chart, type Point } from "~/kit/Chart";
import { Section } from "~/kit/Page";
import { count } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useClientCode } from "./clientCodes";
import { seriesOf } from "./usage";

/** How often requests were refused, by reason, and what each reason means; of all tenants without `tenantId`. */
export function RefusalReasons(props: { tenantId?: number }) {
  const { t } = useTranslation(["tenantLimits", "common"]);
  const codeOf = useClientCode();
  const bar = useBar("30d");
  const query = {
    tenant_id: props.tenantId,
    from: bar.from,
    to: bar.to,
    zone: bar.zone,
    bucket: bar.bucket === "day" ? ("day" as const) : ("hour" as const),
  };
  const found = useQuery({
    queryKey: ["get", "/api/reports/refusals", query],
    queryFn: () => data(api.GET("/api/reports/refusals", { params: { query } })),
    placeholderData: keepPreviousData,
  });
  const rows = found.data?.rows ?? [];
  const reasons = [...new Set(rows.map((row) => row.reason))];
  const points: Point[] = (found.data?.buckets ?? []).map((bucket) => ({
    at: bucket.starts_at,
    partial: Date.parse(bucket.ends_at) > Date.now() - 60_000,
    values: Object.fromEntries(reasons.map((reason) => [reason, 0])),
  }));
  for (const row of rows) {
    const point = points[row.bucket];
    if (point) point.values[row.reason] = Number(point.values[row.reason] ?? 0) + row.refusals;
  }
  return (
    <Section title={t("tenantLimits:refusals")} about={t("tenantLimits:refusalsAbout")}>
      <Chart
        title={t("tenantLimits:refusals")}
        unit={t("common:terms.requests")}
        kind="bars"
        stacked
        points={points}
        series={seriesOf(reasons, (reason) => reason)}
        format={(figure) => count(Number(figure))}
        loading={found.isPending}
        totals
      />
      <ul className="tg-notes">
        {reasons.map((reason) => {
          const known = codeOf(reason);
          return (
            known && (
              <li key={reason}>
                <code>{reason}</code> {known.cause} {known.fix}
              </li>
            )
          );
        })}
      </ul>
    </Section>
  );
}
