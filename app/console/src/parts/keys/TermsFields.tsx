import { MultiSelect, NumberInput, Radio, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import { useTranslation } from "~/i18n/use";
import { useMembers, useModelNames } from "~/parts/account";
import { BudgetsInput, LimitsInput } from "~/parts/Budgets";
import { useMay } from "~/session/session";
import type { Terms, TermsProblem } from "./terms";

type Props = {
  tenantId: number;
  terms: Terms;
  onChange: (patch: Partial<Terms>) => void;
  problem: TermsProblem | null;
  isNew: boolean;
};

const EXPIRIES = ["never", "30", "90", "365", "date"] as const;

/** Name, owner and expiry. */
export function BasicFields({ tenantId, terms, onChange, problem, isNew }: Props) {
  const { t } = useTranslation("tenantKeys");
  const may = useMay();
  const { members } = useMembers(tenantId);
  return (
    <Stack>
      <TextInput
        label={t("fields.name")}
        description={t("fields.nameHint")}
        value={terms.name}
        onChange={(event) => onChange({ name: event.currentTarget.value })}
        error={problem === "name" && t("problems.name")}
        data-autofocus
        required
        maxLength={100}
      />
      {isNew && may("token:write", tenantId) && members.length > 1 && (
        <Select
          label={t("fields.owner")}
          description={t("fields.ownerHint")}
          data={members
            .filter((each) => !each.disabled)
            .map((each) => ({ value: each.user_id, label: each.name || each.login }))}
          value={terms.userId}
          onChange={(userId) => onChange({ userId: userId ?? terms.userId })}
          searchable
        />
      )}
      <div className="tg-fields">
        <Select
          label={t("fields.expires")}
          data={EXPIRIES.map((each) => ({ value: each, label: t(`expiries.${each}`) }))}
          value={terms.expires}
          onChange={(expires) => onChange({ expires: (expires ?? "never") as Terms["expires"] })}
        />
        {terms.expires === "date" && (
          <TextInput
            type="date"
            label={t("fields.expiresOn")}
            value={terms.expiresOn}
            onChange={(event) => onChange({ expiresOn: event.currentTarget.value })}
            error={problem === "date" || problem === "past" ? t(`problems.${problem}` as "problems.date") : undefined}
          />
        )}
      </div>
    </Stack>
  );
}

/** Which models it may ask for, from where, and how it is tagged. */
export function ReachFields({ tenantId, terms, onChange, problem }: Props) {
  const { t } = useTranslation("tenantKeys");
  const models = useModelNames(tenantId);
  return (
    <Stack>
      <Radio.Group
        label={t("fields.models")}
        value={terms.allModels ? "all" : "some"}
        onChange={(choice) => onChange({ allModels: choice === "all" })}
      >
        <Stack gap={6} mt={6}>
          <Radio value="all" label={t("fields.allModels")} />
          <Radio value="some" label={t("fields.someModels")} />
        </Stack>
      </Radio.Group>
      {!terms.allModels &&
        (models.length > 0 ? (
          <MultiSelect
            aria-label={t("fields.models")}
            data={[...new Set([...models, ...terms.models])]}
            value={terms.models}
            onChange={(chosen) => onChange({ models: chosen })}
            searchable
            clearable
            error={problem === "models" && t("problems.models")}
          />
        ) : (
          <TagsInput
            aria-label={t("fields.models")}
            value={terms.models}
            onChange={(chosen) => onChange({ models: chosen })}
            error={problem === "models" && t("problems.models")}
          />
        ))}
      <TagsInput
        label={t("fields.networks")}
        description={t("fields.networksHint")}
        placeholder={terms.networks.length ? undefined : "203.0.113.0/24"}
        value={terms.networks}
        onChange={(networks) => onChange({ networks })}
        error={problem === "network" && t("problems.network")}
        clearable
      />
      <TagsInput
        label={t("fields.tags")}
        description={t("fields.tagsHint")}
        value={terms.tags}
        onChange={(tags) => onChange({ tags })}
        clearable
      />
      <NumberInput
        label={t("fields.cache")}
        description={t("fields.cacheHint")}
        value={terms.cacheSeconds}
        onChange={(value) => onChange({ cacheSeconds: typeof value === "number" ? value : 0 })}
        min={0}
        max={86_400}
        allowDecimal={false}
        hideControls
      />
    </Stack>
  );
}

/** What it may spend, and how fast. */
export function LimitFields({ terms, onChange, problem }: Props) {
  const { t } = useTranslation("account");
  const wrong = problem?.startsWith("budget_") ? (problem.slice("budget_".length) as "amount") : null;
  return (
    <Stack>
      <BudgetsInput
        value={terms.budgets}
        onChange={(budgets) => onChange({ budgets })}
        error={wrong && t(`budgetProblems.${wrong}`)}
      />
      <LimitsInput value={terms.limits} onChange={(limits) => onChange({ limits })} />
    </Stack>
  );
}
