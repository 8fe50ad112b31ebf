import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, data } from "~/api/client";
import { Chart, type Point } from "~/kit/Chart";
import { type FilterField, Filters } from "~/kit/Filters";
import { Page, Section } from "~/kit/Page";
import { count } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useClientCode } from "~/parts/clientCodes";
import { LimitTable } from "~/parts/LimitTable";
import { useTenantDirectory } from "~/parts/tenantNames";
import { seriesOf } from "~/parts/usage";
import { adminLimitsRoute } from "./routes";

const SCOPES = ["tenant", "user", "token"] as const;
const UNITS = ["money", "tokens", "requests", "slots"] as const;

export default function AdminLimitsPage() {
  const { t } = useTranslation(["adminLimits", "tenantLimits", "account", "common"]);
  const [search, setSearch] = useUrl(adminLimitsRoute);
  const { tenants, nameOf } = useTenantDirectory();
  const tenantId = search.tenant === undefined ? undefined : Number(search.tenant);
  const fields: FilterField[] = [
    {
      key: "tenant",
      kind: "choice",
      label: t("common:terms.tenant"),
      options: tenants.map((each) => ({ value: String(each.id), label: each.name })),
      searchable: true,
    },
    {
      key: "scope",
      kind: "choice",
      label: t("tenantLimits:whose"),
      options: SCOPES.map((each) => ({ value: each, label: t(`account:scopes.${each}`) })),
    },
    {
      key: "unit",
      kind: "choice",
      label: t("account:unit"),
      options: UNITS.map((each) => ({ value: each, label: t(`account:limitUnits.${each}`) })),
    },
  ];
  return (
    <Page title={t("adminLimits:title")} about={t("adminLimits:about")} bar={{ range: true, otherwise: "30d" }}>
      <LimitTable
        tenantId={tenantId}
        tenantName={nameOf}
        query={{ scope: search.scope, unit: search.unit }}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={tenantId !== undefined || search.scope !== undefined || search.unit !== undefined}
        onClear={() => setSearch({ tenant: undefined, scope: undefined, unit: undefined })}
        empty={t("adminLimits:empty")}
      />
      <Refusals tenantId={tenantId} />
    </Page>
  );
}

/** How often requests were refused, by reason, and what each reason means. */
function Refusals(props: { tenantId: number | undefined }) {
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
