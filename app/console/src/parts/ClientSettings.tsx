import { Stack, Text } from "@mantine/core";
import { useTranslation } from "~/i18n/use";
import { Code } from "~/kit/Code";
import { apiBase } from "~/site";
import { environmentOf } from "./commands";

/** What programs with a settings page of their own ask for, each to be copied. */
export function ClientSettings(props: { secret: string; model: string }) {
  const { t } = useTranslation("account");
  const lines = [
    [t("client.baseUrl"), apiBase()],
    [t("client.apiKey"), props.secret],
    [t("client.model"), props.model],
  ] as const;
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {t("client.about")}
      </Text>
      {lines.map(([label, value]) => (
        <div key={label}>
          <Text size="xs" fw={600} mb={2}>
            {label}
          </Text>
          <Code text={value} label={label} />
        </div>
      ))}
      <Text size="xs" fw={600}>
        {t("client.env")}
      </Text>
      <Code text={environmentOf(props.secret)} label={t("client.env")} />
    </Stack>
  );
}
