import { Button } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { api, data, type Schema } from "~/api/client";
import { Chart, type Point } from "~/kit/Chart";
import { type FilterField, Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Loaded } from "~/kit/Loaded";
import { Page, Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { Time } from "~/kit/Time";
import { count, percent } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useMayHere, useTenantId } from "~/parts/account";
import { LimitLines } from "~/parts/Budgets";
import { useClientCode } from "~/parts/clientCodes";
import { fullOn } from "~/parts/forecast";
import { LimitTable } from "~/parts/LimitTable";
import { seriesOf } from "~/parts/usage";
import { useTenant } from "~/shell/tenants";
import { tenantLimitsRoute } from "./routes";

const SCOPES = ["tenant", "user", "token"] as const;
const UNITS = ["money", "tokens", "requests", "slots"] as const;

export default function TenantLimitsPage() {
  const { t } = useTranslation(["tenantLimits", "account", "common"]);
  const [search, setSearch] = useUrl(tenantLimitsRoute);
  const tenantId = useTenantId();
  const may = useMayHere();
  const tenant = useTenant(tenantId);
  const fields: FilterField[] = [
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
  const params = { tenantId: String(tenantId) };
  return (
    <Page
      title={t("tenantLimits:title")}
      about={t("tenantLimits:about")}
      bar={may("report:read") ? { range: true, otherwise: "30d" } : undefined}
      actions={
        <>
          {may("member:write") && (
            <Button
              variant="default"
              component={Link}
              {...({ to: "/t/$tenantId/members", params } as object)}
              leftSection={<Icon name="people" />}
            >
              {t("tenantLimits:ofMembers")}
            </Button>
          )}
          <Button
            variant="default"
            component={Link}
            {...({ to: "/t/$tenantId/keys", params } as object)}
            leftSection={<Icon name="key" />}
          >
            {t("tenantLimits:ofKeys")}
          </Button>
        </>
      }
    >
      <Loaded query={tenant}>
        {(account) => (
          <Section title={t("tenantLimits:cap")} about={t("tenantLimits:capAbout")}>
            <LimitLines budgets={account.budgets} limits={account.limits} />
          </Section>
        )}
      </Loaded>
      <Nearest tenantId={tenantId} />
      <LimitTable
        tenantId={tenantId}
        query={{ scope: search.scope, unit: search.unit }}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={search.scope !== undefined || search.unit !== undefined}
        onClear={() => setSearch({ scope: undefined, unit: undefined })}
        empty={t("tenantLimits:empty")}
      />
      {may("report:read") && <Refusals tenantId={tenantId} />}
    </Page>
  );
}

/** The three that are nearest to their limit, with the day on which they will be there. */
function Nearest(props: { tenantId: number }) {
  const { t } = useTranslation(["tenantLimits", "account"]);
  const query = { tenant_id: props.tenantId, limit: 50 };
  const limits = useQuery({
    queryKey: ["get", "/api/limits", query, "nearest"],
    queryFn: async () => (await data(api.GET("/api/limits", { params: { query } }))).items,
  });
  const near = (limits.data ?? [])
    .filter((each) => each.used_permille > 0 && (each.unit === "money" || each.period !== "minute"))
    .slice(0, 3);
  if (near.length === 0) return null;
  return (
    <Stats>
      {near.map((each) => (
        <Stat
          key={`${each.owner_id}${each.unit}${each.period}`}
          label={t("tenantLimits:nearest", {
            name: each.owner_name,
            unit: t(`account:limitUnits.${each.unit}`),
            period: t(`account:limitPeriods.${each.period}`),
          })}
          value={percent(each.used_permille / 1000)}
          note={<Forecast use={each} />}
        />
      ))}
    </Stats>
  );
}

function Forecast(props: { use: Schema["LimitUse"] }) {
  const { t } = useTranslation("tenantLimits");
  const at = fullOn(props.use);
  if (props.use.used_permille >= 1000)
    return (
      <>
        {t("full")} <Time at={props.use.ends_at} />
      </>
    );
  return at ? (
    <>
      {t("fullOn")} <Time at={at} />
    </>
  ) : (
    t("notFull")
  );
}

/** How often requests were refused, by reason. */
function Refusals(props: { tenantId: number }) {
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
  if (!found.data?.rows.length) return null;
  const reasons = [...new Set(found.data.rows.map((row) => row.reason))];
  const points: Point[] = found.data.buckets.map((bucket, index) => ({
    at: bucket.starts_at,
    partial: Date.parse(bucket.ends_at) > Date.now() - 60_000,
    values: Object.fromEntries(
      reasons.map((reason) => [
        reason,
        found.data?.rows.find((row) => row.bucket === index && row.reason === reason)?.refusals ?? 0,
      ]),
    ),
  }));
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
