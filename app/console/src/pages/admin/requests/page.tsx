import { useTranslation } from "react-i18next";
import { Page } from "~/kit/Page";
import { Unwritten } from "~/kit/Unwritten";

export default function AdminRequestsPage() {
  const { t } = useTranslation("adminRequests");
  return (
    <Page title={t("title")} about={t("about")}>
      <Unwritten />
    </Page>
  );
}
