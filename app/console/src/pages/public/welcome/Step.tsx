import { Button, Group, Paper, Text, ThemeIcon, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";

/** One step: open, done (it may be opened again), or waiting for those before it. */
export function Step(props: {
  number: number;
  title: string;
  about: string;
  state: "open" | "done" | "waits";
  summary?: string;
  onOpen?: () => void;
  children: ReactNode;
}) {
  const { t } = useTranslation("publicWelcome");
  const { state } = props;
  return (
    <Paper component="section" p="lg" data-step={props.number} data-state={state} aria-label={props.title}>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <Group wrap="nowrap" align="flex-start" gap="md">
          <ThemeIcon
            radius="xl"
            size={30}
            variant={state === "open" ? "filled" : "light"}
            color={state === "waits" ? "gray" : undefined}
            aria-hidden="true"
          >
            {state === "done" ? <Icon name="check" /> : <Text span size="sm" fw={650}>{`${props.number}`}</Text>}
          </ThemeIcon>
          <div>
            <Title order={2}>{props.title}</Title>
            <Text size="sm" c="dimmed">
              {state === "done" ? (props.summary ?? t("done")) : props.about}
            </Text>
          </div>
        </Group>
        {state === "done" && props.onOpen && (
          <Button variant="subtle" size="xs" onClick={props.onOpen}>
            {t("change")}
          </Button>
        )}
      </Group>
      {state === "open" && <div className="tg-step-body">{props.children}</div>}
    </Paper>
  );
}
