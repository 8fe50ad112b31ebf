import { Text } from "@mantine/core";
import { useTranslation } from "~/i18n/use";

export function Unwritten() {
  const { t } = useTranslation("kit");
  return <Text c="dimmed">{t("unwritten")}</Text>;
}
