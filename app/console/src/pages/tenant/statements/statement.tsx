import { useQuery } from "@tanstack/react-query";
import { type LinkProps, useParams } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { Loaded } from "~/kit/Loaded";
import { Page } from "~/kit/Page";
import { useTenantId } from "~/parts/account";
import { StatementActions, StatementSheet, statementQuery } from "~/parts/StatementSheet";
import { useTenant } from "~/shell/tenants";

export default function TenantStatementPage() {
  const { t } = useTranslation(["tenantStatements", "common"]);
  const tenantId = useTenantId();
  const { period } = useParams({ from: "/t/$tenantId/statements/$period" });
  const query = useQuery(statementQuery(tenantId, period));
  const tenant = useTenant(tenantId);
  const name = query.data?.period ?? period;
  return (
    <Page
      title={`${t("common:terms.statement")} ${name}`}
      crumbs={[
        {
          label: t("tenantStatements:title"),
          to: { to: "/t/$tenantId/statements", params: { tenantId: String(tenantId) } } as LinkProps,
        },
      ]}
      actions={<StatementActions tenantId={tenantId} period={period} />}
    >
      <Loaded query={query}>
        {(statement) => <StatementSheet statement={statement} tenant={tenant.data?.name} />}
      </Loaded>
    </Page>
  );
}
