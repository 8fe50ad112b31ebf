import { Radio, Select, Stack, Switch, TextInput } from "@mantine/core";
import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { type Form, isAmount } from "~/kit/Form";
import { localZone } from "~/lib/format";
import { zones } from "~/lib/zones";
import { type Budget, BudgetsInput, budgetsProblem, type Limits, LimitsInput } from "~/parts/Budgets";

export type TenantValues = {
  name: string;
  user_group: string;
  time_zone: string;
  credit_limit: string;
  disconnect: "drain" | "abort";
  lower_output_limit: boolean;
  budgets: Budget[];
  limits: Limits;
};

export const FRESH: TenantValues = {
  name: "",
  user_group: "default",
  time_zone: localZone(),
  credit_limit: "0",
  disconnect: "drain",
  lower_output_limit: true,
  budgets: [],
  limits: {},
};

export const valuesOf = (tenant: Schema["TenantView"]): TenantValues => ({
  name: tenant.name,
  user_group: tenant.user_group,
  time_zone: tenant.time_zone,
  credit_limit: tenant.credit_limit,
  disconnect: tenant.disconnect,
  lower_output_limit: tenant.lower_output_limit,
  budgets: tenant.budgets,
  limits: tenant.limits,
});

/** Only what is different is sent: what somebody else changed meanwhile stays theirs. */
export function changesOf(before: TenantValues, after: TenantValues): Schema["TenantChange"] {
  const changed = Object.entries(after).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(before[key as keyof TenantValues]),
  );
  return Object.fromEntries(changed);
}

export function useTenantRules() {
  const { t } = useTranslation(["adminTenants", "account"]);
  return {
    name: (name: string) => (name.trim() ? null : t("nameNeeded")),
    user_group: (group: string) => (/^[a-z0-9][a-z0-9._-]{0,62}$/.test(group) ? null : t("groupBad")),
    credit_limit: (amount: string) => (isAmount(amount) ? null : t("amountBad")),
    budgets: (budgets: Budget[]) => {
      const problem = budgetsProblem(budgets);
      return problem && t(`account:budgetProblems.${problem}`);
    },
  };
}

export function TenantFields({ form }: { form: Form<TenantValues> }) {
  const { t } = useTranslation("adminTenants");
  return (
    <>
      <TextInput label={t("name")} data-autofocus required {...form.getInputProps("name")} />
      <TextInput label={t("group")} description={t("groupHint")} {...form.getInputProps("user_group")} />
      <Select
        label={t("zone")}
        description={t("zoneHint")}
        data={zones()}
        searchable
        limit={60}
        {...form.getInputProps("time_zone")}
      />
      <TextInput
        label={t("creditLimit")}
        description={t("creditLimitHint")}
        inputMode="decimal"
        {...form.getInputProps("credit_limit")}
      />
      <BudgetsInput
        value={form.values.budgets}
        onChange={(budgets) => form.setFieldValue("budgets", budgets)}
        error={form.errors.budgets as string | undefined}
      />
      <LimitsInput value={form.values.limits} onChange={(limits) => form.setFieldValue("limits", limits)} />
      <Radio.Group label={t("disconnect")} {...form.getInputProps("disconnect")}>
        <Stack gap="xs" mt={6}>
          <Radio value="drain" label={t("drain")} />
          <Radio value="abort" label={t("abort")} />
        </Stack>
      </Radio.Group>
      <Switch label={t("lowerOutput")} {...form.getInputProps("lower_output_limit", { type: "checkbox" })} />
    </>
  );
}

/** How a tenant stands. */
export const standing = (tenant: Schema["TenantView"]) =>
  tenant.archived
    ? ({ tone: "quiet", word: "archived" } as const)
    : tenant.suspended
      ? ({ tone: "warn", word: "suspended" } as const)
      : ({ tone: "good", word: "active" } as const);
