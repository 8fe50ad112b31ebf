import { Alert, Anchor, Button, Paper, Stack, Text, TextInput, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { Icon } from "~/kit/Icon";
import { useDocumentTitle } from "~/parts/documentTitle";

export default function PublicForgotPage() {
  const { t } = useTranslation(["publicForgot", "session"]);
  const [login, setLogin] = useState("");
  const [busy, setBusy] = useState(false);
  const [sent, setSent] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  useDocumentTitle(t("publicForgot:title"));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await api.POST("/api/password-reset", { body: { login: login.trim() } });
      setSent(true);
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
          <Title order={1}>{t("publicForgot:title")}</Title>
          {sent ? (
            <Alert color="green" icon={<Icon name="check" />}>
              {t("publicForgot:sent", { login })}
            </Alert>
          ) : (
            <>
              <Text c="dimmed" size="sm">
                {t("publicForgot:about")}
              </Text>
              {problem?.code === "mail_off" ? (
                <Alert color="yellow" icon={<Icon name="info" />} role="alert">
                  {t("publicForgot:noMail")}
                </Alert>
              ) : (
                problem && <Failure problem={problem} compact />
              )}
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
              <Button type="submit" loading={busy} fullWidth size="md">
                {t("publicForgot:submit")}
              </Button>
            </>
          )}
          <Anchor component={Link} to="/login" size="sm">
            {t("publicForgot:back")}
          </Anchor>
        </Stack>
      </form>
    </Paper>
  );
}
