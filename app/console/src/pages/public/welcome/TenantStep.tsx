import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { isAmount, useIdempotencyKey } from "~/kit/Form";
import { isZero, localZone } from "~/lib/format";
import { useMe } from "~/session/session";
import { site } from "~/site";

/** A tenant with a key and some credit, made in one call: all of it or nothing. */
export function TenantStep(props: { onDone: (started: Schema["Started"]) => void }) {
  const { t } = useTranslation("publicWelcome");
  const me = useMe();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const keyFor = useIdempotencyKey();
  const form = useForm({
    initialValues: { name: "", credit: "5" },
    validate: {
      name: (value) => (value.trim() ? null : t("tenant.nameNeeded")),
      credit: (value) => (isAmount(value) ? null : t("tenant.creditWrong")),
    },
  });
  const submit = async (values: typeof form.values) => {
    setBusy(true);
    setProblem(null);
    const credit = values.credit.trim();
    try {
      props.onDone(
        await data(
          api.POST("/api/tenants/start", {
            params: { header: { "Idempotency-Key": keyFor(values) } },
            body: {
              name: values.name.trim(),
              time_zone: me.user.time_zone || localZone(),
              credit: isZero(credit) ? null : credit,
            },
          }),
        ),
      );
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={form.onSubmit(submit)} noValidate>
      <Stack>
        <Group grow align="flex-start">
          <TextInput
            label={t("tenant.name")}
            placeholder={t("tenant.namePlaceholder")}
            data-testid="tenant-name"
            {...form.getInputProps("name")}
          />
          <TextInput
            label={t("tenant.credit")}
            description={t("tenant.creditHint", { currency: site.currency })}
            inputMode="decimal"
            inputWrapperOrder={["label", "input", "description", "error"]}
            data-testid="tenant-credit"
            {...form.getInputProps("credit")}
          />
        </Group>
        {problem && <Failure problem={problem} />}
        <Group>
          <Button type="submit" loading={busy} data-testid="tenant-create">
            {t("tenant.create")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
