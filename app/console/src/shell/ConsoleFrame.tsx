import { AppShell, Badge, Burger, Group, NavLink, ScrollArea, Text, Tooltip } from "@mantine/core";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { Markdown } from "~/kit/LazyMarkdown";
import { type NavEntry, useTitle } from "~/nav";
import { site } from "~/site";
import { Brand } from "./Brand";
import { LanguageMenu, ThemeMenu } from "./Controls";
import { Keyboard } from "./Keyboard";
import { Notices } from "./Notices";
import { UserMenu } from "./UserMenu";

/** The frame of both consoles: bar, navigation, content. The color of its edge and its label say which one it is. */
export function ConsoleFrame(props: {
  face: "operator" | "tenant";
  subject?: string;
  entries: readonly NavEntry[];
  params: Record<string, string>;
  demo?: boolean;
  beforeContent?: ReactNode;
}) {
  const { t } = useTranslation("shell");
  const titleOf = useTitle();
  const [open, setOpen] = useState(false);
  const path = useLocation({ select: (location) => location.pathname });
  const { entries, params } = props;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu closes whenever the page changes.
  useEffect(() => setOpen(false), [path]);

  const hrefOf = (entry: NavEntry) => entry.to.replace("$tenantId", params.tenantId ?? "");
  const isActive = (entry: NavEntry) => {
    const href = hrefOf(entry);
    return path === href || path === `${href}/` || (/^\/(admin|t\/\d+)\/./.test(href) && path.startsWith(`${href}/`));
  };
  const groups = [...new Set(entries.map((entry) => entry.group))];

  return (
    <AppShell
      header={{ height: 55 }}
      navbar={{ width: 226, breakpoint: "md", collapsed: { mobile: !open } }}
      padding={{ base: "sm", sm: "lg" }}
      className={`tg-face-${props.face}`}
    >
      <button type="button" className="tg-skip" onClick={focusContent}>
        {t("skip")}
      </button>
      <AppShell.Header className="tg-header">
        <Group h="100%" px="md" justify="space-between" wrap="nowrap" gap="xs">
          <Group gap="sm" wrap="nowrap" className="tg-header-left">
            <Burger opened={open} onClick={() => setOpen(!open)} hiddenFrom="md" size="sm" aria-label={t("menu")} />
            <Brand />
            <span className="tg-face-label">{t(`${props.face}`)}</span>
            {props.subject && (
              <Text size="sm" fw={600} truncate className="tg-subject">
                {props.subject}
              </Text>
            )}
            {props.demo && (
              <Tooltip label={t("demoHint")}>
                <Badge color="grape" variant="light" tabIndex={0}>
                  {t("demo")}
                </Badge>
              </Tooltip>
            )}
          </Group>
          <Group gap={2} wrap="nowrap">
            <LanguageMenu />
            <ThemeMenu />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className="tg-navbar" aria-label={t("navigation")}>
        <ScrollArea type="auto" scrollbarSize={6} className="tg-nav-scroll">
          {groups.map((group) => (
            <div key={group} className="tg-nav-group">
              <Text className="tg-nav-title">{t(`groups.${group}`)}</Text>
              {entries
                .filter((entry) => entry.group === group)
                .map((entry) => (
                  <NavLink
                    key={entry.to}
                    component={Link}
                    {...({ to: entry.to, params, activeOptions: { exact: true, includeSearch: false } } as object)}
                    label={titleOf(entry)}
                    leftSection={<Icon name={entry.icon} size={17} />}
                    active={isActive(entry)}
                    aria-current={isActive(entry) ? "page" : undefined}
                  />
                ))}
            </div>
          ))}
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <Notices />
        {props.beforeContent}
        <Outlet />
        <Footer />
      </AppShell.Main>
      <Keyboard entries={entries} params={params} />
    </AppShell>
  );
}

/** The skip link is a button: a jump to #content would be, under a <base>, a jump to another page. */
export function focusContent(): void {
  document.getElementById("content")?.focus();
}

export function Footer() {
  const { t } = useTranslation("shell");
  return (
    <footer className="tg-footer">
      <Markdown text={site.footer} canWait />
      {site.version && <span>{t("version", { version: site.version })}</span>}
    </footer>
  );
}
