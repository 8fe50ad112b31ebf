import { Anchor, Button, Group, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { logIn, type Me } from "~/session/session";
import { site } from "~/site";

export function LoginForm(props: { onDone: (me: Me) => void }) {
  const { t } = useTranslation(["session", "publicLogin"]);
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  useEffect(() => {
    document.title = `${t("publicLogin:title")} · ${site.name}`;
  }, [t]);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const me = await logIn(login, password);
      if (me) props.onDone(me);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Paper className="tg-gate" p="xl">
      <form onSubmit={submit}>
        <Stack>
          <Title order={1}>{t("session:welcomeBack", { name: site.name })}</Title>
          {problem && <Failure problem={problem} compact />}
          <TextInput
            label={t("session:login")}
            value={login}
            onChange={(event) => setLogin(event.currentTarget.value)}
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            required
            withAsterisk={false}
            autoFocus
          />
          <PasswordInput
            label={t("session:password")}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            autoComplete="current-password"
            visibilityToggleButtonProps={{ "aria-label": t("session:show") }}
            required
            withAsterisk={false}
          />
          <Button type="submit" loading={busy} fullWidth size="md">
            {t("session:signIn")}
          </Button>
          <Group justify="space-between" gap="xs">
            <Anchor component={Link} to="/forgot" size="sm">
              {t("session:forgot")}
            </Anchor>
            {site.sign_up_open && (
              <Text size="sm">
                {t("session:noAccount")}{" "}
                <Anchor component={Link} to="/sign-up">
                  {t("session:signUp")}
                </Anchor>
              </Text>
            )}
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}
