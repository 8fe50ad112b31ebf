import { Alert, Button, Group, Modal, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { challenges } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { Failure } from "~/kit/Failure";
import { logIn, stepUp, useMaybeMe } from "./session";

type Kind = "logIn" | "stepUp";
type Waiting = { kind: Kind; answer: (repeat: boolean) => void };

/**
 * The dialogs that ask for a password while a call waits. All calls that need one meanwhile wait for the same dialog;
 * the page below, with whatever was typed into it, stays.
 */
export function Challenges() {
  const { t } = useTranslation("session");
  const navigate = useNavigate();
  const me = useMaybeMe();
  const [kind, setKind] = useState<Kind | null>(null);
  const waiting = useRef<Waiting[]>([]);

  useEffect(() => {
    const ask = (wanted: Kind) => () =>
      new Promise<boolean>((answer) => {
        waiting.current.push({ kind: wanted, answer });
        setKind((open) => (open === "logIn" ? open : wanted));
      });
    challenges.logIn = ask("logIn");
    challenges.stepUp = ask("stepUp");
    challenges.changePassword = () => void navigate({ to: "/login" });
    return () => {
      challenges.logIn = null;
      challenges.stepUp = null;
      challenges.changePassword = null;
    };
  }, [navigate]);

  const settle = (repeat: boolean) => {
    const all = waiting.current;
    waiting.current = [];
    setKind(null);
    for (const each of all) each.answer(repeat);
  };

  return (
    <Modal
      opened={kind !== null}
      onClose={() => settle(false)}
      title={kind === "logIn" ? t("expiredTitle") : t("stepUpTitle")}
      closeOnClickOutside={false}
      zIndex={1000}
    >
      {kind !== null && (
        <PasswordForm
          key={kind}
          kind={kind}
          login={me?.user.login ?? ""}
          onDone={() => settle(true)}
          onCancel={() => settle(false)}
        />
      )}
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
