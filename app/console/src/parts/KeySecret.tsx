import { Alert, Stack, Tabs, Text } from "@mantine/core";
import { useTranslation } from "~/i18n/use";
import { Code } from "~/kit/Code";
import { Icon } from "~/kit/Icon";
import { snippets } from "~/kit/snippets";
import { ClientSettings } from "./ClientSettings";

/** A new key, shown this once, and how to use it: three languages and the settings of other clients. */
export function KeySecret(props: { secret: string; model: string }) {
  const { t } = useTranslation(["kit", "account", "common"]);
  return (
    <Stack gap="sm">
      <Alert color="yellow" icon={<Icon name="key" />}>
        {t("kit:secret.once")}
      </Alert>
      <Code text={props.secret} label={t("common:terms.key")} />
      <Text size="sm" fw={600}>
        {t("kit:secret.use")}
      </Text>
      <Tabs defaultValue="curl" keepMounted={false}>
        <Tabs.List>
          {snippets(props.secret, props.model).map((each) => (
            <Tabs.Tab key={each.id} value={each.id}>
              {each.name}
            </Tabs.Tab>
          ))}
          <Tabs.Tab value="clients">{t("account:client.title")}</Tabs.Tab>
        </Tabs.List>
        {snippets(props.secret, props.model).map((each) => (
          <Tabs.Panel key={each.id} value={each.id} pt="sm">
            <Code text={each.text} label={each.name} />
          </Tabs.Panel>
        ))}
        <Tabs.Panel value="clients" pt="sm">
          <ClientSettings secret={props.secret} model={props.model} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}
