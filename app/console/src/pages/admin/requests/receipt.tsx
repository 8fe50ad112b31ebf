import { useParams } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { Page } from "~/kit/Page";
import { OperatorReceipt } from "~/parts/OperatorReceipt";

export default function ReceiptPage() {
  const { t } = useTranslation("adminRequests");
  const { requestId } = useParams({ from: "/admin/requests/$requestId" });
  return (
    <Page
      title={t("receiptTitle")}
      about={t("receiptAbout")}
      crumbs={[{ label: t("title"), to: { to: "/admin/requests" } }]}
    >
      <OperatorReceipt requestId={requestId} />
    </Page>
  );
}
