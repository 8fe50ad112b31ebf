import { ActionIcon, Tooltip } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { useTranslation } from "~/i18n/use";
import { Icon } from "./Icon";

/** A button that copies a text, and says that it did. `what` names it for who hears the page: "the id". */
export function Copy(props: { value: string; what?: string; size?: number }) {
  const { t } = useTranslation(["common", "kit"]);
  const clipboard = useClipboard({ timeout: 1500 });
  const label = props.what ? t("kit:copyIt", { what: props.what }) : t("common:copy");
  return (
    <Tooltip label={clipboard.copied ? t("common:copied") : label}>
      <ActionIcon
        variant="subtle"
        color={clipboard.copied ? "brand" : "gray"}
        size={props.size ?? 22}
        aria-label={label}
        onClick={(event) => {
          event.preventDefault();
          event.stopPropagation();
          clipboard.copy(props.value);
        }}
      >
        <Icon name={clipboard.copied ? "check" : "copy"} size={14} />
      </ActionIcon>
    </Tooltip>
  );
}
