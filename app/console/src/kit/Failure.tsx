import { Alert, Button, Group, List, Stack, Text } from "@mantine/core";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Icon } from "./Icon";
import { Id } from "./Id";

/** An error, in the reader's language, with what they need to report it, and a way on. */
export function Failure(props: { problem: unknown; onRetry?: () => void; compact?: boolean }) {
  const { t } = useTranslation(["kit", "problems", "common"]);
  const problem = asProblem(props.problem);
  return (
    <Alert
      color="red"
      role="alert"
      icon={<Icon name="warning" />}
      title={props.compact ? undefined : t("kit:failed")}
      variant="light"
    >
      <Stack gap="xs">
        <Text size="sm">{t(`problems:${problem.code}`)}</Text>
        {problem.detail !== "" && (
          <Text size="sm" lang="en">
            {problem.detail}
          </Text>
        )}
        {problem.errors.length > 0 && (
          <List size="sm" lang="en">
            {problem.errors.map((each) => (
              <List.Item key={each}>{each}</List.Item>
            ))}
          </List>
        )}
        {problem.items.length > 0 && (
          <List size="sm">
            {problem.items.map((each) => (
              <List.Item key={each.index}>
                {`${each.index + 1}. ${t(`problems:${each.code}`)} `}
                <span lang="en">{each.detail}</span>
              </List.Item>
            ))}
          </List>
        )}
        {problem.retryAfterSeconds !== null && (
          <Text size="sm">{t("kit:waitSeconds", { count: problem.retryAfterSeconds })}</Text>
        )}
        {(props.onRetry || problem.requestId) && (
          <Group gap="sm">
            {props.onRetry && (
              <Button
                size="xs"
                variant="default"
                onClick={props.onRetry}
                leftSection={<Icon name="refresh" size={14} />}
              >
                {t("common:retry")}
              </Button>
            )}
            {problem.requestId && (
              <Group gap={4}>
                <Text size="xs">{t("kit:requestId")}</Text>
                <Id value={problem.requestId} />
              </Group>
            )}
          </Group>
        )}
      </Stack>
    </Alert>
  );
}
