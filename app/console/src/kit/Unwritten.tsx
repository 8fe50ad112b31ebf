import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

export function Unwritten() {
  const { t } = useTranslation("kit");
  return <Text c="dimmed">{t("unwritten")}</Text>;
}
