import { Button, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { changePassword, type Me } from "~/session/session";

/** As the server has it; what else it refuses it says itself. */
const LENGTH_MIN = 12;

export function PasswordForm(props: { me: Me; onDone: () => void }) {
  const { t } = useTranslation("session");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const form = useForm({
    initialValues: { current: "", next: "", again: "" },
    validate: {
      current: (value) => (value ? null : t("required")),
      next: (value, values) =>
        value.length < LENGTH_MIN ? t("passwordShort") : value === values.current ? t("passwordSame") : null,
      again: (value, values) => (value === values.next ? null : t("passwordsDiffer")),
    },
  });
  const submit = async (values: typeof form.values) => {
    setBusy(true);
    setProblem(null);
    try {
      await changePassword(values.current, values.next);
      props.onDone();
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };
  const eye = { "aria-label": t("show") };
  return (
    <Paper className="tg-gate" p="xl">
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <Title order={1}>{props.me.user.must_change_password ? t("changeTitle") : t("changePassword")}</Title>
          {props.me.user.must_change_password && <Text c="dimmed">{t("changeText")}</Text>}
          {problem && <Failure problem={problem} />}
          <input type="text" autoComplete="username" value={props.me.user.login} readOnly hidden />
          <PasswordInput
            label={t("currentPassword")}
            autoComplete="current-password"
            visibilityToggleButtonProps={eye}
            autoFocus
            {...form.getInputProps("current")}
          />
          <PasswordInput
            label={t("newPassword")}
            description={t("passwordHint")}
            autoComplete="new-password"
            visibilityToggleButtonProps={eye}
            {...form.getInputProps("next")}
          />
          <PasswordInput
            label={t("newPasswordAgain")}
            autoComplete="new-password"
            visibilityToggleButtonProps={eye}
            {...form.getInputProps("again")}
          />
          <Button type="submit" loading={busy} fullWidth size="md">
            {t("changePassword")}
          </Button>
        </Stack>
      </form>
    </Paper>
  );
}
