import { Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Code } from "./Code";

export type EmptyState = {
  title?: string;
  /** What will appear here. */
  text?: string;
  /** The command that fills it, with the real base URL. */
  command?: string;
  /** A button that fills it. */
  children?: ReactNode;
};

/** Nothing here, yet: what will be, and how to bring it about. */
export function Empty(props: EmptyState) {
  return (
    <Stack align="center" gap="sm" py="xl" px="md" className="tg-empty">
      {props.title && (
        <Title order={3} ta="center">
          {props.title}
        </Title>
      )}
      {props.text && (
        <Text c="dimmed" size="sm" ta="center" maw={520}>
          {props.text}
        </Text>
      )}
      {props.command && <Code text={props.command} />}
      {props.children}
    </Stack>
  );
}
