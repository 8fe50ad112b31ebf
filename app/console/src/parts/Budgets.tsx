import { ActionIcon, Button, Group, NumberInput, Select, Stack, Text, TextInput } from "@mantine/core";
import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { isAmount } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { count } from "~/lib/format";

export type Budget = Schema["BudgetBody"];
export type Limits = {
  requests_per_minute?: number | null;
  tokens_per_minute?: number | null;
  concurrency?: number | null;
};

const PERIODS = ["total", "day", "week", "month"] as const;
const UNITS = ["money", "tokens"] as const;
const FRESH: Budget = { unit: UNITS[0], period: "month", amount: "" };
const RATES = ["requests_per_minute", "tokens_per_minute", "concurrency"] as const;

/** What is wrong with budgets as they are typed, or null. */
export function budgetsProblem(budgets: Budget[]): "amount" | "whole" | "twice" | null {
  const seen = new Set<string>();
  for (const each of budgets) {
    if (!isAmount(each.amount)) return "amount";
    if (each.unit === "tokens" && !/^\d+$/.test(each.amount.trim())) return "whole";
    const key = `${each.unit} ${each.period}`;
    if (seen.has(key)) return "twice";
    seen.add(key);
  }
  return null;
}

/** Budgets as they are typed: one line each. */
export function BudgetsInput(props: { value: Budget[]; onChange: (next: Budget[]) => void; error?: string | null }) {
  const { t } = useTranslation(["account", "common"]);
  const { value, onChange } = props;
  const change = (index: number, patch: Partial<Budget>) =>
    onChange(value.map((each, at) => (at === index ? { ...each, ...patch } : each)));
  return (
    <fieldset className="tg-fieldset">
      <legend>{t("account:budgets")}</legend>
      <Stack gap="xs">
        {value.length === 0 && (
          <Text size="sm" c="dimmed">
            {t("account:noBudget")}
          </Text>
        )}
        {value.map((each, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name, and are typed in place.
          <Group key={index} gap="xs" wrap="nowrap" align="flex-start" className="tg-budget">
            <TextInput
              aria-label={t("common:terms.amount")}
              inputMode="decimal"
              value={each.amount}
              placeholder={each.unit === "money" ? "25.00" : "1000000"}
              onChange={(event) => change(index, { amount: event.currentTarget.value })}
              flex={1}
            />
            <Select
              aria-label={t("account:unit")}
              data={UNITS.map((unit) => ({ value: unit, label: t(`common:units.${unit}`) }))}
              value={each.unit}
              onChange={(unit) => change(index, { unit: (unit ?? "money") as Budget["unit"] })}
              w={104}
            />
            <Select
              aria-label={t("account:period")}
              data={PERIODS.map((period) => ({ value: period, label: t(`common:periods.${period}`) }))}
              value={each.period}
              onChange={(period) => change(index, { period: (period ?? "month") as Budget["period"] })}
              w={116}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size={36}
              aria-label={t("common:remove")}
              onClick={() => onChange(value.filter((_, at) => at !== index))}
            >
              <Icon name="x" />
            </ActionIcon>
          </Group>
        ))}
        {props.error && (
          <Text size="xs" className="tg-bad" role="alert">
            {props.error}
          </Text>
        )}
        <Button
          variant="default"
          size="xs"
          className="tg-self-start"
          leftSection={<Icon name="plus" size={14} />}
          onClick={() => onChange([...value, FRESH])}
        >
          {t("account:addBudget")}
        </Button>
      </Stack>
    </fieldset>
  );
}

/** Rates as they are typed; empty is no limit. */
export function LimitsInput(props: { value: Limits; onChange: (next: Limits) => void }) {
  const { t } = useTranslation("account");
  return (
    <fieldset className="tg-fieldset">
      <legend>{t("rates")}</legend>
      <div className="tg-fields">
        {RATES.map((rate) => (
          <NumberInput
            key={rate}
            label={t(`limitNames.${rate}`)}
            placeholder={t("noLimit")}
            min={1}
            allowDecimal={false}
            thousandSeparator
            hideControls
            value={props.value[rate] ?? ""}
            onChange={(next) => props.onChange({ ...props.value, [rate]: typeof next === "number" ? next : null })}
          />
        ))}
      </div>
    </fieldset>
  );
}

/** Budgets and rates in a cell: a line each. */
export function LimitLines(props: { budgets: readonly Budget[]; limits?: Limits }) {
  const { t } = useTranslation(["account", "common"]);
  const rates = RATES.filter((rate) => props.limits?.[rate]);
  if (props.budgets.length === 0 && rates.length === 0) return <span className="tg-dim">{t("common:unlimited")}</span>;
  return (
    <Stack gap={0} className="tg-lines">
      {props.budgets.map((each) => (
        <span key={`${each.unit}-${each.period}`}>
          {each.unit === "money" ? (
            <Money value={each.amount} />
          ) : (
            t("account:tokensMany", { text: tokens(each.amount) })
          )}{" "}
          <span className="tg-dim">{t(`common:periods.${each.period}`)}</span>
        </span>
      ))}
      {rates.map((rate) => (
        <span key={rate} className="tg-dim">
          {t(`account:limitLines.${rate}`, { text: count(props.limits?.[rate] ?? 0) })}
        </span>
      ))}
    </Stack>
  );
}

/** A whole number that the API gives as text. */
export const tokens = (text: string): string =>
  new Intl.NumberFormat(undefined).format(BigInt(text.split(".")[0] ?? "0"));
