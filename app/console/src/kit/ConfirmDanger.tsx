import { TextInput } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "~/i18n/use";
import { type Call, FormModal } from "./Form";

/**
 * Ask before what cannot be taken back. `effect` says in numbers what it does ("3 keys stop working at once"); `word`
 * must be typed, usually the thing's name. `onConfirm` gets the reason, and `ifMatch` if an `entity` is given.
 */
export function ConfirmDanger(props: {
  opened: boolean;
  onClose: () => void;
  title: string;
  effect: ReactNode;
  word: string;
  submit: string;
  onConfirm: (call: Call) => Promise<unknown>;
  entity?: { version: number };
  reload?: () => Promise<{ version: number }>;
  done?: string;
}) {
  const { t } = useTranslation("kit");
  return (
    <FormModal
      opened={props.opened}
      onClose={props.onClose}
      title={props.title}
      submit={props.submit}
      danger
      reason
      initial={{ typed: "" }}
      entity={props.entity}
      reload={props.reload}
      done={props.done}
      validate={{
        typed: (typed) => (typed.trim() === props.word ? null : t("danger.type", { word: props.word })),
      }}
      onSubmit={(_, call) => props.onConfirm(call)}
    >
      {(form) => (
        <>
          <section aria-label={t("danger.effect")} className="tg-effect">
            {props.effect}
          </section>
          <TextInput
            label={t("danger.type", { word: props.word })}
            autoComplete="off"
            data-autofocus
            {...form.getInputProps("typed")}
          />
        </>
      )}
    </FormModal>
  );
}
