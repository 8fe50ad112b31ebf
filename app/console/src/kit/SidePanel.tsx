import { Anchor, Drawer, Group } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "~/i18n/use";
import { Icon } from "./Icon";

/** A row, beside its table. Whether it is open is in the page's URL; `page` is the same as a page of its own. */
export function SidePanel(props: {
  opened: boolean;
  onClose: () => void;
  title: string;
  page?: LinkProps;
  wide?: boolean;
  /** It closes by its button only: what it shows is gone then. */
  once?: boolean;
  children: ReactNode;
}) {
  const { t } = useTranslation(["kit", "common"]);
  return (
    <Drawer
      opened={props.opened}
      onClose={props.onClose}
      classNames={{ root: "tg-print-sheet" }}
      closeOnClickOutside={!props.once}
      closeOnEscape={!props.once}
      size={props.wide ? "min(960px, 100vw)" : "min(620px, 100vw)"}
      title={
        <Group gap="sm">
          <span className="tg-panel-title">{props.title}</span>
          {props.page && (
            <Anchor component={Link} {...(props.page as object)} size="sm" className="tg-noprint">
              <Group gap={4} component="span">
                {t("kit:table.open")}
                <Icon name="external" size={13} />
              </Group>
            </Anchor>
          )}
        </Group>
      }
      closeButtonProps={{ "aria-label": t("common:close") }}
    >
      {props.opened && props.children}
    </Drawer>
  );
}
