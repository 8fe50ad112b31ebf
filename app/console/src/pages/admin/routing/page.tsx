import { Button, Tabs } from "@mantine/core";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { Page } from "~/kit/Page";
import { cleared, useUrl } from "~/lib/url";
import { useMay } from "~/session/session";
import { Explain } from "./Explain";
import { Mappings } from "./Mappings";
import { Models } from "./Models";
import { Policies } from "./Policies";
import { adminRoutingRoute } from "./routes";

const TABS = ["models", "mappings", "policies", "explain"] as const;

export default function AdminRoutingPage() {
  const { t } = useTranslation("adminRouting");
  const [search, setSearch] = useUrl(adminRoutingRoute);
  const may = useMay();
  const tab = search.tab ?? "models";
  const adds =
    (tab === "mappings" && may("pricing:write") && t("mappings.add")) ||
    (tab === "policies" && may("routing:write") && t("policies.add"));
  return (
    <Page
      title={t("title")}
      about={t("about")}
      bar={{ range: tab === "models" }}
      actions={
        adds && (
          <Button leftSection={<Icon name="plus" />} onClick={() => setSearch({ new: true }, { push: true })}>
            {adds}
          </Button>
        )
      }
    >
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => {
          setSearch({
            ...cleared(search),
            tab: next === "models" ? undefined : (next as (typeof TABS)[number]),
          });
        }}
      >
        <Tabs.List mb="lg">
          {TABS.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(`tabs.${each}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="models">
          <Models />
        </Tabs.Panel>
        <Tabs.Panel value="mappings">
          <Mappings />
        </Tabs.Panel>
        <Tabs.Panel value="policies">
          <Policies />
        </Tabs.Panel>
        <Tabs.Panel value="explain">
          <Explain />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
