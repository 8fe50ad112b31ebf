import { Alert, Button, Drawer, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { type UseFormReturnType, useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import { type ReactNode, useRef, useState } from "react";
import { ifMatch } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "./Failure";
import { JsonDiff } from "./JsonDiff";

export type Form<V> = UseFormReturnType<V>;

type Entity = { version: number };

/** What a submission sends beside its values. */
export type Call = {
  /** Of the version that the form shows; empty without `entity`. */
  ifMatch: string;
  /** One for these values: sending them again cannot move money twice. */
  idempotencyKey: string;
  /** What was typed into the field for the reason. */
  reason: string;
};

export type FormProps<V extends Record<string, unknown>> = {
  opened: boolean;
  onClose: () => void;
  title: string;
  about?: string;
  /** The word on the button; "Save" if left out. */
  submit?: string;
  /** A button in red, for what cannot be taken back. */
  danger?: boolean;
  initial: V;
  /** A message by field, null where it is good. */
  validate?: { [K in keyof V]?: (value: V[K], values: V) => string | null };
  onSubmit: (values: V, call: Call) => Promise<unknown>;
  /** The inputs: `(form) => <TextInput label={...} {...form.getInputProps("name")} />`. */
  children: (form: Form<V>) => ReactNode;
  /** What is changed, as it was read: its version goes into `call.ifMatch`. */
  entity?: Entity;
  /** Read it anew after somebody else's change, and what of it the form shows. Needed with `entity`. */
  reload?: () => Promise<Entity>;
  valuesOf?: (entity: never) => V;
  /** Ask for a reason, which the history keeps. */
  reason?: boolean;
  /** Said when it is done; "Saved" if left out, nothing if empty. */
  done?: string;
};

/** An idempotency key that stays while the values do. */
export function useIdempotencyKey(): (values: unknown) => string {
  const last = useRef({ values: "", key: "" });
  return (values) => {
    const now = JSON.stringify(values);
    if (last.current.values !== now || !last.current.key) last.current = { values: now, key: crypto.randomUUID() };
    return last.current.key;
  };
}

/** What went wrong stands under a form that may be longer than the window: bring it there. */
const intoView = (element: HTMLElement | null): void => element?.scrollIntoView({ block: "nearest" });

function FormBody<V extends Record<string, unknown>>(props: FormProps<V> & { onDirty: (dirty: boolean) => void }) {
  const { t } = useTranslation(["kit", "common"]);
  const form = useForm<V>({
    mode: "controlled",
    initialValues: props.initial,
    validate: props.validate as never,
    onValuesChange: () => props.onDirty(true),
  });
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [entity, setEntity] = useState(props.entity);
  const [theirs, setTheirs] = useState<Entity | null>(null);
  const keyFor = useIdempotencyKey();

  const submit = async (values: V, base: Entity | undefined) => {
    setBusy(true);
    setProblem(null);
    try {
      await props.onSubmit(values, {
        ifMatch: base ? ifMatch(base) : "",
        idempotencyKey: keyFor([values, reason]),
        reason,
      });
      if (props.done !== "") notifications.show({ message: props.done ?? t("common:saved") });
      props.onDirty(false);
      props.onClose();
    } catch (thrown) {
      const failure = asProblem(thrown);
      if (failure.code === "version_conflict" && props.reload) {
        try {
          setTheirs(await props.reload());
        } catch (again) {
          setProblem(asProblem(again));
        }
      } else setProblem(failure);
    } finally {
      setBusy(false);
    }
  };

  return (
    <form onSubmit={form.onSubmit((values) => submit(values, entity))} noValidate>
      <Stack>
        {props.about && (
          <Text c="dimmed" size="sm">
            {props.about}
          </Text>
        )}
        {props.children(form)}
        {props.reason && (
          <Textarea
            label={t("common:reason")}
            description={t("common:reasonHint")}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
            autosize
            minRows={1}
          />
        )}
        {problem && (
          <div ref={intoView}>
            <Failure problem={problem} />
          </div>
        )}
        {theirs && entity && (
          <Alert ref={intoView} color="yellow" title={t("kit:form.conflictTitle")} role="alert">
            <Stack gap="sm">
              <Text size="sm">{t("kit:form.conflictText")}</Text>
              <JsonDiff before={entity} after={theirs} />
              <Group gap="xs">
                {props.valuesOf && (
                  <Button
                    size="xs"
                    variant="default"
                    onClick={() => {
                      form.setValues((props.valuesOf as (entity: Entity) => V)(theirs));
                      setEntity(theirs);
                      setTheirs(null);
                    }}
                  >
                    {t("kit:form.takeTheirs")}
                  </Button>
                )}
                <Button
                  size="xs"
                  color="orange"
                  onClick={() => {
                    setEntity(theirs);
                    setTheirs(null);
                    void submit(form.getValues(), theirs);
                  }}
                >
                  {t("kit:form.applyMine")}
                </Button>
              </Group>
            </Stack>
          </Alert>
        )}
        <Group justify="flex-end" gap="xs" className="tg-form-foot">
          <Button variant="default" onClick={props.onClose}>
            {t("common:cancel")}
          </Button>
          <Button type="submit" loading={busy} color={props.danger ? "red" : undefined} disabled={theirs !== null}>
            {props.submit ?? t("common:save")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** Whether something was typed, and the question before it is thrown away. */
function useGuard(onClose: () => void) {
  const { t } = useTranslation("kit");
  const dirty = useRef(false);
  const [asking, setAsking] = useState(false);
  const leave = () => {
    dirty.current = false;
    setAsking(false);
    onClose();
  };
  return {
    setDirty: (now: boolean) => {
      dirty.current = now;
    },
    close: () => (dirty.current ? setAsking(true) : leave()),
    question: (
      <Modal opened={asking} onClose={() => setAsking(false)} title={t("form.unsaved")} size="sm" zIndex={400}>
        <Text size="sm">{t("form.unsavedText")}</Text>
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={() => setAsking(false)} data-autofocus>
            {t("form.keep")}
          </Button>
          <Button color="red" onClick={leave}>
            {t("form.discard")}
          </Button>
        </Group>
      </Modal>
    ),
  };
}

/** A form beside the page: for what has more than a few fields. */
export function FormDrawer<V extends Record<string, unknown>>(props: FormProps<V> & { wide?: boolean }) {
  const guard = useGuard(props.onClose);
  return (
    <>
      <Drawer
        opened={props.opened}
        onClose={guard.close}
        title={props.title}
        size={props.wide ? "min(860px, 100vw)" : "min(520px, 100vw)"}
      >
        {props.opened && <FormBody {...props} onClose={guard.close} onDirty={guard.setDirty} />}
      </Drawer>
      {guard.question}
    </>
  );
}

/** A form over the page: for a few fields. */
export function FormModal<V extends Record<string, unknown>>(props: FormProps<V> & { wide?: boolean }) {
  const guard = useGuard(props.onClose);
  return (
    <>
      <Modal opened={props.opened} onClose={guard.close} title={props.title} size={props.wide ? "xl" : "md"}>
        {props.opened && <FormBody {...props} onClose={guard.close} onDirty={guard.setDirty} />}
      </Modal>
      {guard.question}
    </>
  );
}

/** What an amount looks like: `validate={{ amount: amountProblem }}` gives the text of what is wrong, or null. */
export const isAmount = (text: string): boolean => /^\d+(\.\d{1,9})?$/.test(text.trim());
