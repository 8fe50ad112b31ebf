import { Button, type ButtonProps } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type ReactNode, useState } from "react";
import { asProblem } from "~/api/problem";
import { Failure } from "./Failure";

/** Say over the page what was refused, until somebody has read it. */
export function showFailure(thrown: unknown): void {
  notifications.show({ color: "red", autoClose: false, message: <Failure problem={asProblem(thrown)} compact /> });
}

/** Do what somebody asked for without a form: `act(() => api.DELETE(...))`. A refusal is shown, and `busy` told meanwhile. */
export function useAct() {
  const [busy, setBusy] = useState(false);
  const act = async (what: () => Promise<unknown>): Promise<void> => {
    setBusy(true);
    try {
      await what();
    } catch (thrown) {
      showFailure(thrown);
    } finally {
      setBusy(false);
    }
  };
  return { act, busy };
}

/** A button that does something at once: it waits for the answer, and shows why it was refused. */
export function ActButton(props: ButtonProps & { onAct: () => Promise<unknown>; children: ReactNode }) {
  const { onAct, children, ...rest } = props;
  const { act, busy } = useAct();
  return (
    <Button {...rest} loading={busy} onClick={() => act(onAct)}>
      {children}
    </Button>
  );
}
