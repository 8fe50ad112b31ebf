import { useTranslation } from "react-i18next";
import { Page } from "~/kit/Page";
import { Unwritten } from "~/kit/Unwritten";

export default function TenantUsagePage() {
  const { t } = useTranslation("tenantUsage");
  return (
    <Page title={t("title")} about={t("about")}>
      <Unwritten />
    </Page>
  );
}
