import type { LinkProps } from "@tanstack/react-router";
import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { type FilterField, Filters } from "~/kit/Filters";
import { Page } from "~/kit/Page";
import { useUrl } from "~/lib/url";
import { LimitTable, useLimitFields } from "~/parts/LimitTable";
import { RefusalReasons } from "~/parts/RefusalReasons";
import { useTenantDirectory } from "~/parts/tenants";
import { adminLimitsRoute } from "./routes";

/** Whose limit it is, where it can be changed. */
const ownerOf = (use: Schema["LimitUse"]): LinkProps => {
  const params = { tenantId: String(use.tenant_id) };
  const search = { row: use.owner_id };
  switch (use.scope) {
    case "tenant":
      return { to: "/admin/tenants/$tenantId", params } as LinkProps;
    case "user":
      return { to: "/t/$tenantId/members", params, search } as LinkProps;
    case "token":
      return { to: "/admin/tokens", search } as LinkProps;
  }
};

export default function AdminLimitsPage() {
  const { t } = useTranslation(["adminLimits", "common"]);
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
    ...useLimitFields(),
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
        rowLink={ownerOf}
      />
      <RefusalReasons tenantId={tenantId} />
    </Page>
  );
}
