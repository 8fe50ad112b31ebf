import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { challenges } from "~/api/client";
import { whenQuiet } from "~/lib/quiet";
import type { Kind } from "./PasswordDialog";
import { useMaybeMe } from "./session";

const load = () => import("./PasswordDialog");
const PasswordDialog = lazy(load);
// Before it is needed: by then the server may be another version, which has no such file.
void whenQuiet()
  .then(load)
  .catch(() => undefined);

type Waiting = { kind: Kind; answer: (repeat: boolean) => void };

/**
 * The dialogs that ask for a password while a call waits. All calls that need one meanwhile wait for the same dialog;
 * the page below, with whatever was typed into it, stays.
 */
export function Challenges() {
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
    kind !== null && (
      <Suspense fallback={null}>
        <PasswordDialog
          key={kind}
          kind={kind}
          login={me?.user.login ?? ""}
          onDone={() => settle(true)}
          onCancel={() => settle(false)}
        />
      </Suspense>
    )
  );
}
