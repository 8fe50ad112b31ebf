import { Button, Group, Modal, Select, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { FormDrawer, FormModal } from "~/kit/Form";
import { Money } from "~/kit/Money";
import { Time } from "~/kit/Time";
import { count } from "~/lib/format";
import { useModelNames } from "~/parts/account";
import { KeySecret } from "~/parts/KeySecret";
import { totals, useUsage } from "~/parts/usage";
import { BasicFields, LimitFields, ReachFields } from "./TermsFields";
import { changesOf, type Terms, termsOf, termsProblem } from "./terms";

export type Key = Schema["TokenView"];

export const readKey = (id: string): Promise<Key> =>
  data(api.GET("/api/tokens/{token_id}", { params: { path: { token_id: id } } }));

type Doing = { token: Key; opened: boolean; onClose: () => void };

function useReread() {
  const client = useQueryClient();
  return () => {
    void client.invalidateQueries({ queryKey: ["get", "/api/tokens"] });
    void client.invalidateQueries({ queryKey: ["get", "/api/tokens/{token_id}/history"] });
    void client.invalidateQueries({ queryKey: ["get", "/api/limits"] });
  };
}

/** Other terms for a key; only what is different is sent, so that what somebody else changed meanwhile stays theirs. */
export function EditKey(props: Doing) {
  const { t } = useTranslation(["tenantKeys", "account"]);
  const reread = useReread();
  const { token } = props;
  return (
    <FormDrawer<{ terms: Terms }>
      opened={props.opened}
      onClose={props.onClose}
      title={t("tenantKeys:change", { name: token.name })}
      initial={{ terms: termsOf(token) }}
      entity={token}
      reload={() => readKey(token.id)}
      valuesOf={((key: Key) => ({ terms: termsOf(key) })) as never}
      reason
      validate={{
        terms: (terms) => {
          const wrong = termsProblem(terms);
          return wrong && t(`tenantKeys:problems.${wrong}`);
        },
      }}
      onSubmit={async ({ terms }, call) => {
        await api.PATCH("/api/tokens/{token_id}", {
          params: { path: { token_id: token.id }, header: { "If-Match": call.ifMatch } },
          body: { ...changesOf(termsOf(token), terms), reason: call.reason },
        });
        reread();
      }}
    >
      {(form) => {
        const terms = form.getValues().terms;
        const fields = {
          tenantId: token.tenant_id,
          terms,
          onChange: (patch: Partial<Terms>) => form.setFieldValue("terms", { ...terms, ...patch }),
          problem: form.errors.terms ? termsProblem(terms) : null,
          isNew: false,
        };
        return (
          <>
            <BasicFields {...fields} />
            <ReachFields {...fields} />
            <LimitFields {...fields} />
          </>
        );
      }}
    </FormDrawer>
  );
}

const OVERLAPS = ["0", "3600", "86400", "604800"] as const;

/** A new secret beside the former, which works on for a while so that nothing has to stop. */
export function RotateKey(props: Doing) {
  const { t } = useTranslation(["tenantKeys", "common"]);
  const reread = useReread();
  const [made, setMade] = useState<Schema["CreatedToken"] | null>(null);
  const { token } = props;
  const title = t("tenantKeys:rotateTitle", { name: token.name });
  return (
    <>
      <FormModal<{ overlap: string }>
        opened={props.opened}
        onClose={props.onClose}
        title={title}
        about={t("tenantKeys:rotateText")}
        submit={t("tenantKeys:rotate")}
        done=""
        initial={{ overlap: "86400" }}
        entity={token}
        reload={() => readKey(token.id)}
        onSubmit={async ({ overlap }, call) =>
          setMade(
            await data(
              api.POST("/api/tokens/{token_id}/rotate", {
                params: { path: { token_id: token.id }, header: { "If-Match": call.ifMatch } },
                body: { overlap_seconds: Number(overlap) },
              }),
            ),
          )
        }
      >
        {(form) => (
          <Select
            label={t("tenantKeys:overlap")}
            data={OVERLAPS.map((each) => ({ value: each, label: t(`tenantKeys:overlaps.${each}`) }))}
            allowDeselect={false}
            {...form.getInputProps("overlap")}
          />
        )}
      </FormModal>
      <Modal
        opened={made !== null}
        onClose={() => setMade(null)}
        title={title}
        size="lg"
        closeOnClickOutside={false}
        closeOnEscape={false}
        withCloseButton={false}
      >
        {made && (
          <NewSecret
            made={made}
            onClose={() => {
              setMade(null);
              // Only now: reading the key again might take this dialog, with the secret, away.
              reread();
            }}
          />
        )}
      </Modal>
    </>
  );
}

function NewSecret(props: { made: Schema["CreatedToken"]; onClose: () => void }) {
  const { t } = useTranslation("tenantKeys");
  const { made } = props;
  const models = useModelNames(made.tenant_id);
  return (
    <Stack>
      <KeySecret secret={made.secret} model={((made.models as string[] | null) ?? models)[0] ?? "demo-chat"} />
      {made.previous_until && (
        <Text size="sm">
          {t("overlapping")} <Time at={made.previous_until} form="full" />
        </Text>
      )}
      <Group justify="flex-end">
        <Button onClick={props.onClose}>{t("stored")}</Button>
      </Group>
    </Stack>
  );
}

/** Revoke keys of one tenant, all or none, with what they did lately. */
export function RevokeKeys(props: { keys: Key[]; onClose: () => void; onDone?: () => void }) {
  const { t } = useTranslation("tenantKeys");
  const reread = useReread();
  const { keys } = props;
  const only = keys.length === 1 ? keys[0] : undefined;
  const usage = useUsage(
    {
      tenant_id: keys[0]?.tenant_id,
      by: "token",
      bucket: "month",
      token_ids: keys.map((each) => each.id).join(","),
      top: 100,
    },
    { enabled: keys.length > 0 },
  ).data;
  const sums = totals(usage);
  return (
    <ConfirmDanger
      opened={keys.length > 0}
      onClose={props.onClose}
      title={only ? t("revokeTitle", { name: only.name }) : t("revokeMany", { count: keys.length })}
      word={only ? only.name : String(keys.length)}
      submit={t("revoke")}
      entity={only}
      reload={only && (() => readKey(only.id))}
      done={t("revoked")}
      effect={
        <>
          <Text size="sm">{t("revokeEffect", { count: keys.length })}</Text>
          {usage && (
            <Text size="sm" component="div">
              {t("revokeUse", { requests: count(sums.requests) })} <Money value={sums.charged} />
            </Text>
          )}
        </>
      }
      onConfirm={async (call) => {
        if (only)
          await api.PATCH("/api/tokens/{token_id}", {
            params: { path: { token_id: only.id }, header: { "If-Match": call.ifMatch } },
            body: { revoked: true, reason: call.reason },
          });
        else
          await api.PATCH("/api/tokens", {
            body: {
              items: keys.map((each) => ({ id: each.id, version: each.version, change: { revoked: true as const } })),
              reason: call.reason,
            },
          });
        reread();
        props.onDone?.();
      }}
    />
  );
}
