import { Anchor, Badge, Breadcrumbs, Group, Stack, Text, Title, Tooltip } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { useTranslation } from "~/i18n/use";
import { dateTime, milliseconds } from "~/lib/format";
import { BarControls, type BarUse } from "~/shell/BarControls";
import { site } from "~/site";
import { Icon } from "./Icon";
import { useZone } from "./Time";

/**
 * A page: title, what it is for, actions, and the parts of the global bar that it uses. `crumbs` lead back, the nearest
 * last. `readAt` and `lagMilliseconds` show how old the figures are. `docs` is a path below the documentation.
 */
export function Page(props: {
  title: string;
  about?: string;
  actions?: ReactNode;
  crumbs?: { label: string; to: LinkProps }[];
  docs?: string;
  bar?: BarUse;
  readAt?: number;
  lagMilliseconds?: number;
  children: ReactNode;
}) {
  const { t } = useTranslation("kit");
  const zone = useZone();
  useEffect(() => {
    document.title = `${props.title} · ${site.name}`;
  }, [props.title]);
  return (
    <Stack gap="lg" className="tg-page">
      <header>
        {props.crumbs && props.crumbs.length > 0 && (
          <Breadcrumbs mb={4} separatorMargin={6}>
            {props.crumbs.map((crumb) => (
              <Link key={crumb.label} {...crumb.to} className="tg-crumb">
                {crumb.label}
              </Link>
            ))}
          </Breadcrumbs>
        )}
        <Group justify="space-between" align="flex-start" gap="sm">
          <div className="tg-page-head">
            <Group gap="sm">
              <Title order={1}>{props.title}</Title>
              {props.lagMilliseconds !== undefined && props.lagMilliseconds > 2000 && (
                <Tooltip label={t("lag", { lag: milliseconds(props.lagMilliseconds) })}>
                  <Badge color="yellow" variant="light" leftSection={<Icon name="clock" size={12} />}>
                    {t("stale")}
                  </Badge>
                </Tooltip>
              )}
              {props.readAt !== undefined && props.readAt > 0 && (
                <Text size="xs" c="dimmed" className="tg-noprint">
                  {t("asOf", { time: dateTime(new Date(props.readAt), zone) })}
                </Text>
              )}
            </Group>
            {props.about && (
              <Text c="dimmed" size="sm" mt={2}>
                {props.about}
              </Text>
            )}
          </div>
          <Group gap="xs" className="tg-noprint">
            {props.docs && (
              <Anchor href={props.docs} size="sm" target="_blank" rel="noreferrer">
                <Group gap={4} component="span">
                  <Icon name="book" size={14} />
                  {t("docs")}
                </Group>
              </Anchor>
            )}
            {props.actions}
          </Group>
        </Group>
        {props.bar && <BarControls use={props.bar} />}
      </header>
      {props.children}
    </Stack>
  );
}

/** A part of a page with its own heading. */
export function Section(props: { title: string; about?: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <section className="tg-section">
      <Group justify="space-between" mb="xs" align="flex-end">
        <div>
          <Title order={2}>{props.title}</Title>
          {props.about && (
            <Text c="dimmed" size="sm">
              {props.about}
            </Text>
          )}
        </div>
        <Group gap="xs" className="tg-noprint">
          {props.actions}
        </Group>
      </Group>
      {props.children}
    </section>
  );
}
