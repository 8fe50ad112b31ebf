import { useParams } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { Page } from "~/kit/Page";
import { useKeys, useMembers, useTenantId } from "~/parts/account";
import { Receipt } from "~/parts/Receipt";

export default function TenantReceiptPage() {
  const { t } = useTranslation(["tenantRequests", "account"]);
  const tenantId = useTenantId();
  const { requestId } = useParams({ from: "/t/$tenantId/requests/$requestId" });
  const keys = useKeys(tenantId);
  const members = useMembers(tenantId);
  return (
    <Page
      title={t("account:receipt.title")}
      about={t("tenantRequests:receiptAbout")}
      crumbs={[
        {
          label: t("tenantRequests:title"),
          to: { to: "/t/$tenantId/requests", params: { tenantId: String(tenantId) } },
        },
      ]}
    >
      <Receipt requestId={requestId} keyName={keys.nameOf} memberName={members.nameOf} />
    </Page>
  );
}
