import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Loaded } from "~/kit/Loaded";
import { Page, Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { Time } from "~/kit/Time";
import { percent } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useMayHere, useTenantId } from "~/parts/account";
import { LimitLines } from "~/parts/Budgets";
import { fullOn } from "~/parts/forecast";
import { LimitTable, useLimitFields } from "~/parts/LimitTable";
import { RefusalReasons } from "~/parts/RefusalReasons";
import { useTenant } from "~/shell/tenants";
import { tenantLimitsRoute } from "./routes";

export default function TenantLimitsPage() {
  const { t } = useTranslation(["tenantLimits", "account", "common"]);
  const [search, setSearch] = useUrl(tenantLimitsRoute);
  const tenantId = useTenantId();
  const may = useMayHere();
  const tenant = useTenant(tenantId);
  const fields = useLimitFields();
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
      {may("report:read") && <RefusalReasons tenantId={tenantId} />}
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
