import { NumberInput, Select, SimpleGrid, Text, TextInput } from "@mantine/core";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { FormDrawer, isAmount } from "~/kit/Form";
import { count, isZero, localZone, money } from "~/lib/format";
import { instantOf } from "~/lib/wallTime";
import { batchesChanged, usesOf, worthOf } from "./batch";

type Values = {
  name: string;
  amount: string;
  count: number | string;
  kind: "paid" | "promotional" | "allowance";
  expires: string;
  grantDays: number | string;
  usesPerCode: number | string;
  usesPerTenant: number | string;
  priority: number | string;
  reason: string;
};

const CODES_MAX = 1000;

/** The terms of new codes, with what they are worth in all. */
export function NewBatch(props: {
  opened: boolean;
  onClose: () => void;
  onMade: (batch: Schema["CreatedBatch"]) => void;
}) {
  const { t } = useTranslation(["adminCodes", "common"]);
  return (
    <FormDrawer<Values>
      opened={props.opened}
      onClose={props.onClose}
      title={t("adminCodes:new.title")}
      about={t("adminCodes:new.about")}
      submit={t("adminCodes:new.submit")}
      done=""
      initial={{
        name: "",
        amount: "",
        count: 10,
        kind: "paid",
        expires: "",
        grantDays: "",
        usesPerCode: 1,
        usesPerTenant: 1,
        priority: 50,
        reason: "",
      }}
      validate={{
        name: (name) => (name.trim() ? null : t("adminCodes:new.nameMissing")),
        amount: (amount) => (isAmount(amount) && !isZero(amount.trim()) ? null : t("adminCodes:new.amountWrong")),
        count: (codes) => (Number(codes) >= 1 && Number(codes) <= CODES_MAX ? null : t("adminCodes:new.countWrong")),
        expires: (expires) =>
          expires && Date.parse(instantOf(expires, localZone())) <= Date.now() ? t("adminCodes:new.expiresPast") : null,
      }}
      onSubmit={async (values) => {
        const made = await data(
          api.POST("/api/code-batches", {
            body: {
              name: values.name.trim(),
              amount: values.amount.trim(),
              count: Number(values.count),
              kind: values.kind,
              expires_at: values.expires ? instantOf(values.expires, localZone()) : null,
              grant_days: values.grantDays === "" ? null : Number(values.grantDays),
              uses_per_code: Number(values.usesPerCode),
              uses_per_tenant: Number(values.usesPerTenant),
              priority: Number(values.priority),
              reason: values.reason.trim(),
            },
          }),
        );
        batchesChanged();
        props.onMade(made);
      }}
    >
      {(form) => {
        const { amount } = form.values;
        const sized = { amount: amount.trim(), count: Number(form.values.count) || 0, uses_per_code: 1 };
        const batch = { ...sized, uses_per_code: Number(form.values.usesPerCode) || 1 };
        return (
          <>
            <TextInput
              label={t("common:name")}
              description={t("adminCodes:new.nameHint")}
              withAsterisk
              data-autofocus
              {...form.getInputProps("name")}
            />
            <SimpleGrid cols={2}>
              <TextInput
                label={t("adminCodes:columns.amount")}
                inputMode="decimal"
                autoComplete="off"
                withAsterisk
                {...form.getInputProps("amount")}
              />
              <NumberInput
                label={t("adminCodes:columns.count")}
                min={1}
                max={CODES_MAX}
                allowDecimal={false}
                withAsterisk
                {...form.getInputProps("count")}
              />
              <NumberInput
                label={t("adminCodes:columns.usesPerCode")}
                description={t("adminCodes:new.usesHint")}
                min={1}
                allowDecimal={false}
                {...form.getInputProps("usesPerCode")}
              />
              <NumberInput
                label={t("adminCodes:columns.usesPerTenant")}
                description={t("adminCodes:new.tenantUsesHint")}
                min={1}
                allowDecimal={false}
                {...form.getInputProps("usesPerTenant")}
              />
            </SimpleGrid>
            <TextInput
              type="datetime-local"
              label={t("adminCodes:columns.expires")}
              description={t("adminCodes:new.expiresHint", { zone: localZone() })}
              {...form.getInputProps("expires")}
            />
            <NumberInput
              label={t("adminCodes:columns.grantDays")}
              description={t("adminCodes:new.grantDaysHint")}
              min={1}
              allowDecimal={false}
              {...form.getInputProps("grantDays")}
            />
            <SimpleGrid cols={2}>
              <Select
                label={t("adminCodes:columns.kind")}
                description={t("adminCodes:new.kindHint")}
                allowDeselect={false}
                data={(["paid", "promotional", "allowance"] as const).map((kind) => ({
                  value: kind,
                  label: t(`adminCodes:kinds.${kind}`),
                }))}
                {...form.getInputProps("kind")}
              />
              <NumberInput
                label={t("adminCodes:columns.priority")}
                description={t("adminCodes:new.priorityHint")}
                min={0}
                max={100}
                allowDecimal={false}
                {...form.getInputProps("priority")}
              />
            </SimpleGrid>
            <TextInput
              label={t("common:reason")}
              description={t("common:reasonHint")}
              {...form.getInputProps("reason")}
            />
            {isAmount(amount) && batch.count > 0 && (
              <section className="tg-effect" aria-label={t("adminCodes:new.worth")}>
                <Text size="sm">
                  {t("adminCodes:new.worthOf", {
                    count: batch.count,
                    codes: count(batch.count),
                    uses: count(usesOf(batch)),
                    worth: money(worthOf(batch)),
                  })}
                </Text>
              </section>
            )}
          </>
        );
      }}
    </FormDrawer>
  );
}
