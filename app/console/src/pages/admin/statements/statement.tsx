import { useQuery } from "@tanstack/react-query";
import type { LinkProps } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { Loaded } from "~/kit/Loaded";
import { Page } from "~/kit/Page";
import { StatementActions, StatementSheet, statementQuery } from "~/parts/StatementSheet";
import { useTenantDirectory } from "~/parts/tenants";
import { adminStatementRoute } from "./routes";

export default function AdminStatementPage() {
  const { t } = useTranslation("adminStatements");
  const { tenantId: id, period } = adminStatementRoute.useParams();
  const tenantId = Number(id);
  const { nameOf } = useTenantDirectory();
  const query = useQuery(statementQuery(tenantId, period));
  const name = nameOf(tenantId);
  return (
    <Page
      title={t("one", { tenant: name, period: query.data?.period ?? period })}
      crumbs={[
        { label: t("title"), to: { to: "/admin/statements" } },
        { label: name, to: { to: "/admin/statements", search: { tenant_id: id } } as LinkProps },
      ]}
      actions={<StatementActions tenantId={tenantId} period={period} />}
    >
      <Loaded query={query}>{(statement) => <StatementSheet statement={statement} tenant={name} />}</Loaded>
    </Page>
  );
}
