import { Button, Code, Stack, Text, Title } from "@mantine/core";
import { type ErrorComponentProps, Link, useRouter } from "@tanstack/react-router";
import { ApiProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";

/** A page that could not be shown: what the API refused, or a mistake of ours. */
export function RouteFailure(props: ErrorComponentProps) {
  const { t } = useTranslation("kit");
  const router = useRouter();
  if (props.error instanceof ApiProblem)
    return (
      <Failure
        problem={props.error}
        onRetry={() => {
          props.reset();
          void router.invalidate();
        }}
      />
    );
  return (
    <Stack align="flex-start" role="alert" p="md">
      <Title order={1}>{t("crashed")}</Title>
      <Text>{t("crashedText")}</Text>
      <Code block>{String(props.error)}</Code>
      <Button onClick={() => window.location.reload()}>{t("reload")}</Button>
    </Stack>
  );
}

export function NotFound() {
  const { t } = useTranslation("kit");
  return (
    <Stack align="flex-start" p="md">
      <Title order={1}>{t("notFound")}</Title>
      <Text c="dimmed">{t("notFoundText")}</Text>
      <Button component={Link} to="/">
        {t("toStart")}
      </Button>
    </Stack>
  );
}
