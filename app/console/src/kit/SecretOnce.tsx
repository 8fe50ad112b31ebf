import { Alert, Stack, Tabs, Text } from "@mantine/core";
import { useTranslation } from "~/i18n/use";
import { Code } from "./Code";
import { Icon } from "./Icon";
import { snippets } from "./snippets";

/** A first call in three languages. */
export function Snippets(props: { secret: string; model: string }) {
  return (
    <Tabs defaultValue="curl" keepMounted={false}>
      <Tabs.List>
        {snippets(props.secret, props.model).map((each) => (
          <Tabs.Tab key={each.id} value={each.id}>
            {each.name}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {snippets(props.secret, props.model).map((each) => (
        <Tabs.Panel key={each.id} value={each.id} pt="sm">
          <Code text={each.text} label={each.name} />
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}

/** A secret that is shown this once. With `model` (an API key) there are snippets that use it. */
export function SecretOnce(props: { secret: string; label: string; model?: string }) {
  const { t } = useTranslation("kit");
  return (
    <Stack gap="sm">
      <Alert color="yellow" icon={<Icon name="key" />}>
        {t("secret.once")}
      </Alert>
      <Text size="sm" fw={600}>
        {props.label}
      </Text>
      <Code text={props.secret} label={props.label} />
      {props.model && (
        <>
          <Text size="sm" fw={600}>
            {t("secret.use")}
          </Text>
          <Snippets secret={props.secret} model={props.model} />
        </>
      )}
    </Stack>
  );
}
