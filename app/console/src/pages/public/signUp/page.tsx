import { Alert, Anchor, Button, Paper, Stack, Text, TextInput, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { Icon } from "~/kit/Icon";
import { useDocumentTitle } from "~/parts/documentTitle";
import { site } from "~/site";

export default function PublicSignUpPage() {
  const { t } = useTranslation(["publicSignUp", "session"]);
  const [email, setEmail] = useState("");
  const [busy, setBusy] = useState(false);
  const [sent, setSent] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  useDocumentTitle(t("publicSignUp:title"));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await api.POST("/api/sign-up", { body: { email: email.trim() } });
      setSent(true);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };
  const signIn = (
    <Text size="sm">
      {t("publicSignUp:hasAccount")}{" "}
      <Anchor component={Link} to="/login">
        {t("session:signIn")}
      </Anchor>
    </Text>
  );
  if (!site.sign_up_open)
    return (
      <Paper className="tg-gate" p="xl">
        <Stack>
          <Title order={1}>{t("publicSignUp:closed")}</Title>
          <Text c="dimmed">{t("publicSignUp:closedText")}</Text>
          {signIn}
        </Stack>
      </Paper>
    );
  if (sent)
    return (
      <Paper className="tg-gate" p="xl">
        <Stack>
          <Title order={1}>{t("publicSignUp:sent")}</Title>
          <Alert color="green" icon={<Icon name="check" />}>
            {t("publicSignUp:sentText", { email })}
          </Alert>
          <Text size="sm" c="dimmed">
            {t("publicSignUp:sentHint")}
          </Text>
          <Button variant="default" onClick={() => setSent(false)}>
            {t("publicSignUp:otherAddress")}
          </Button>
        </Stack>
      </Paper>
    );
  return (
    <Paper className="tg-gate" p="xl">
      <form onSubmit={submit}>
        <Stack>
          <div>
            <Title order={1}>{t("publicSignUp:heading", { name: site.name })}</Title>
            <Text c="dimmed" size="sm" mt={4}>
              {t("publicSignUp:about")}
            </Text>
          </div>
          {problem && <Failure problem={problem} compact />}
          <TextInput
            label={t("publicSignUp:email")}
            type="email"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
            autoComplete="email"
            required
            withAsterisk={false}
            autoFocus
          />
          <Button type="submit" loading={busy} fullWidth size="md">
            {t("publicSignUp:submit")}
          </Button>
          {signIn}
        </Stack>
      </form>
    </Paper>
  );
}
