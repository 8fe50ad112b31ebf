import { useTranslation } from "~/i18n/use";
import { Page } from "~/kit/Page";
import { useUrl } from "~/lib/url";
import { Myself } from "~/parts/Myself";
import { useMe } from "~/session/session";
import { adminAccountRoute } from "./routes";

/** An operator's own preferences, sessions and tokens: they may be a member of no tenant, whose settings have them too. */
export default function AdminAccountPage() {
  const { t } = useTranslation("adminAccount");
  const [search, setSearch] = useUrl(adminAccountRoute);
  const me = useMe();
  return (
    <Page title={t("title")} about={t("about", { login: me.user.login })}>
      <Myself
        isMaking={search.panel === "token"}
        onMake={(open) => setSearch({ panel: open ? "token" : undefined }, { push: open })}
      />
    </Page>
  );
}
