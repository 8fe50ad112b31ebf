import { Alert, Button, Group, Modal, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { logIn, stepUp } from "./session";

export type Kind = "logIn" | "stepUp";

/** Asks for the password while a call waits. */
export default function PasswordDialog(props: { kind: Kind; login: string; onDone: () => void; onCancel: () => void }) {
  const { t } = useTranslation("session");
  return (
    <Modal
      opened
      onClose={props.onCancel}
      title={props.kind === "logIn" ? t("expiredTitle") : t("stepUpTitle")}
      closeOnClickOutside={false}
      zIndex={1000}
    >
      <PasswordForm {...props} />
    </Modal>
  );
}

function PasswordForm(props: { kind: Kind; login: string; onDone: () => void; onCancel: () => void }) {
  const { t } = useTranslation(["session", "common"]);
  const [login, setLogin] = useState(props.login);
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);

  const submit = async (event: FormEvent) => {
    // The dialog may stand in a form of the page, as React sees it: that one must not be sent.
    event.preventDefault();
    event.stopPropagation();
    setBusy(true);
    setProblem(null);
    try {
      await (props.kind === "logIn" ? logIn(login, password) : stepUp(password));
      props.onDone();
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <Text c="dimmed">{props.kind === "logIn" ? t("session:expiredText") : t("session:stepUpText")}</Text>
        {problem && <Failure problem={problem} compact />}
        {props.kind === "logIn" && (
          <TextInput
            label={t("session:login")}
            value={login}
            onChange={(event) => setLogin(event.currentTarget.value)}
            autoComplete="username"
            required
          />
        )}
        {props.kind === "logIn" && props.login !== "" && login !== props.login && (
          <Alert color="yellow">{t("session:otherUser", { name: props.login })}</Alert>
        )}
        <PasswordInput
          label={t("session:password")}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          autoComplete="current-password"
          data-autofocus
          required
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={props.onCancel}>
            {t("common:cancel")}
          </Button>
          <Button type="submit" loading={busy}>
            {props.kind === "logIn" ? t("session:signIn") : t("session:confirm")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
