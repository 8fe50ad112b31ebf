import {
  ActionIcon,
  Button,
  Group,
  MultiSelect,
  NumberInput,
  Select,
  SimpleGrid,
  Switch,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { useMemo } from "react";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { type Form, FormDrawer } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { percent } from "~/lib/format";
import { TenantChoice } from "~/parts/tenants";
import { ModelInput } from "./ModelInput";
import { MODES, type Policy, publicModels, readPolicy, routingChanged, useChannels, useGroupNames } from "./routing";

type ArmValues = { key: string; name: string; share: number | string; model: string; groups: string[] };

export type PolicyValues = {
  name: string;
  tenant: number | null;
  group: string;
  model: string;
  mode: Policy["mode"];
  stickyBy: Policy["sticky_by"];
  groups: string[];
  fallbacks: string[];
  billed: Policy["fallback_billed"];
  attempts: number | string;
  seconds: number | string;
  hedge: number | string;
  arms: ArmValues[];
  enabled: boolean;
};

const FRESH: PolicyValues = {
  name: "",
  tenant: null,
  group: "",
  model: "",
  mode: "weighted",
  stickyBy: "user",
  groups: [],
  fallbacks: [],
  billed: "routed",
  attempts: 8,
  seconds: 120,
  hedge: "",
  arms: [],
  enabled: true,
};

export const valuesOf = (policy: Policy): PolicyValues => ({
  name: policy.name,
  tenant: policy.tenant_id,
  group: policy.user_group,
  model: policy.model,
  mode: policy.mode,
  stickyBy: policy.sticky_by,
  groups: [...policy.channel_groups],
  fallbacks: [...policy.fallbacks],
  billed: policy.fallback_billed,
  attempts: policy.attempts_max,
  seconds: policy.attempts_seconds,
  hedge: policy.hedge_milliseconds ?? "",
  arms: policy.arms.map((arm, index) => ({
    key: String(index),
    name: arm.name,
    share: arm.share,
    model: arm.model ?? "",
    groups: [...(arm.channel_groups ?? [])],
  })),
  enabled: policy.enabled,
});

/** What both making and changing a policy send. */
export const bodyOf = (values: PolicyValues) => ({
  name: values.name.trim(),
  tenant_id: values.tenant,
  user_group: values.tenant === null ? values.group : "",
  model: values.model.trim(),
  mode: values.mode,
  sticky_by: values.stickyBy,
  channel_groups: values.groups,
  fallbacks: values.fallbacks,
  fallback_billed: values.billed,
  attempts_max: Number(values.attempts),
  attempts_seconds: Number(values.seconds),
  hedge_milliseconds: values.hedge === "" ? null : Number(values.hedge),
  arms: values.arms.map((arm) => ({
    name: arm.name.trim(),
    share: Number(arm.share),
    model: arm.model.trim(),
    channel_groups: arm.groups,
  })),
  enabled: values.enabled,
});

const ARM_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Which of the arms cannot be: the name of the text that says so, or null. */
export function armsProblem(arms: ArmValues[]): "armName" | "armTwice" | "armShares" | "armSingle" | null {
  if (arms.length === 0) return null;
  if (arms.length === 1) return "armSingle";
  if (arms.some((arm) => !ARM_NAME.test(arm.name.trim()))) return "armName";
  if (new Set(arms.map((arm) => arm.name.trim())).size < arms.length) return "armTwice";
  return arms.every((arm) => Number(arm.share) === 0) ? "armShares" : null;
}

/** Make a policy, or change one. */
export function PolicyForm(props: {
  opened: boolean;
  onClose: () => void;
  policy?: Policy;
  onMade?: (id: string) => void;
}) {
  const { t } = useTranslation("adminRouting");
  const { policy } = props;
  return (
    <FormDrawer<PolicyValues>
      wide
      opened={props.opened}
      onClose={props.onClose}
      title={policy ? t("policies.changeTitle", { name: policy.name }) : t("policies.add")}
      initial={policy ? valuesOf(policy) : FRESH}
      entity={policy}
      reload={policy ? () => readPolicy(policy.id) : undefined}
      valuesOf={valuesOf as never}
      reason
      validate={{
        name: (name) => (name.trim() ? null : t("policies.nameNeeded")),
        attempts: (value) => (value === "" ? t("policies.figureNeeded") : null),
        seconds: (value) => (value === "" ? t("policies.figureNeeded") : null),
        arms: (arms) => {
          const problem = armsProblem(arms);
          return problem && t(`policies.${problem}`);
        },
      }}
      onSubmit={async (values, call) => {
        const body = { ...bodyOf(values), reason: call.reason };
        if (policy) {
          await api.PATCH("/api/routing/policies/{policy_id}", {
            params: { path: { policy_id: policy.id }, header: { "If-Match": call.ifMatch } },
            body,
          });
        } else {
          const made = await data(api.POST("/api/routing/policies", { body }));
          props.onMade?.(made.id);
        }
        routingChanged();
      }}
    >
      {(form) => <Fields form={form} />}
    </FormDrawer>
  );
}

function Fields({ form }: { form: Form<PolicyValues> }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  const userGroups = useGroupNames("user");
  const channelGroups = useGroupNames("channel");
  const channels = useChannels().data;
  const models = useMemo(() => publicModels(channels ?? [], [], []).map((each) => each.model), [channels]);
  const { values } = form;
  return (
    <>
      <TextInput label={t("common:name")} required {...form.getInputProps("name")} />
      <fieldset className="tg-fieldset">
        <legend>{t("adminRouting:policies.for")}</legend>
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          <TenantChoice
            label={t("common:terms.tenant")}
            placeholder={t("adminRouting:everybody")}
            value={values.tenant}
            onChange={(id) => form.setFieldValue("tenant", id)}
          />
          <Select
            label={t("adminRouting:policies.group")}
            placeholder={t("adminRouting:everybody")}
            data={[...new Set([...userGroups, ...(values.group ? [values.group] : [])])]}
            value={values.group || null}
            onChange={(group) => form.setFieldValue("group", group ?? "")}
            disabled={values.tenant !== null}
            clearable
          />
          <ModelInput
            label={t("common:terms.model")}
            placeholder={t("adminRouting:policies.allModels")}
            {...form.getInputProps("model")}
          />
        </SimpleGrid>
        <Text size="xs" c="dimmed" mt="xs">
          {t("adminRouting:policies.scopeHint")}
        </Text>
      </fieldset>
      <fieldset className="tg-fieldset">
        <legend>{t("adminRouting:policies.choice")}</legend>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Select
            label={t("adminRouting:policies.mode")}
            description={t(`adminRouting:modeHints.${values.mode}`)}
            data={MODES.map((each) => ({ value: each, label: t(`adminRouting:modes.${each}`) }))}
            allowDeselect={false}
            {...form.getInputProps("mode")}
          />
          <MultiSelect
            label={t("adminRouting:policies.channelGroups")}
            description={t("adminRouting:policies.channelGroupsHint")}
            data={[...new Set([...channelGroups, ...values.groups])]}
            clearable
            {...form.getInputProps("groups")}
          />
        </SimpleGrid>
        {values.mode === "sticky" && (
          <Select
            mt="sm"
            label={t("adminRouting:policies.stickyBy")}
            data={(["user", "conversation"] as const).map((each) => ({
              value: each,
              label: t(`adminRouting:sticky.${each}`),
            }))}
            allowDeselect={false}
            {...form.getInputProps("stickyBy")}
          />
        )}
      </fieldset>
      <fieldset className="tg-fieldset">
        <legend>{t("adminRouting:policies.failing")}</legend>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <TagsInput
            label={t("adminRouting:models.fallbacks")}
            description={t("adminRouting:policies.fallbacksHint")}
            data={models}
            maxTags={8}
            {...form.getInputProps("fallbacks")}
          />
          <Select
            label={t("adminRouting:policies.fallbackBilled")}
            description={t("adminRouting:policies.fallbackBilledHint")}
            data={(["routed", "asked"] as const).map((each) => ({
              value: each,
              label: t(`adminRouting:billed.${each}`),
            }))}
            allowDeselect={false}
            disabled={values.fallbacks.length === 0}
            {...form.getInputProps("billed")}
          />
        </SimpleGrid>
        <SimpleGrid cols={{ base: 1, sm: 3 }} mt="sm">
          <NumberInput
            label={t("adminRouting:policies.attempts")}
            min={1}
            max={16}
            allowDecimal={false}
            {...form.getInputProps("attempts")}
          />
          <NumberInput
            label={t("adminRouting:policies.seconds")}
            min={1}
            max={3600}
            allowDecimal={false}
            {...form.getInputProps("seconds")}
          />
          <NumberInput
            label={t("adminRouting:policies.hedge")}
            placeholder={t("common:never")}
            min={50}
            max={600_000}
            allowDecimal={false}
            {...form.getInputProps("hedge")}
          />
        </SimpleGrid>
        <Text size="xs" c="dimmed" mt="xs">
          {t("adminRouting:policies.hedgeHint")}
        </Text>
      </fieldset>
      <Arms form={form} models={models} groups={channelGroups} />
      <Switch label={t("common:enabled")} {...form.getInputProps("enabled", { type: "checkbox" })} />
    </>
  );
}

function Arms(props: { form: Form<PolicyValues>; models: string[]; groups: string[] }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  const { form } = props;
  const { arms } = form.values;
  const total = arms.reduce((sum, arm) => sum + Number(arm.share), 0);
  const add = () => {
    const fresh = arms.length === 0 ? ["control", "candidate"] : [""];
    form.setFieldValue("arms", [
      ...arms,
      ...fresh.map((name) => ({ key: crypto.randomUUID(), name, share: 50, model: "", groups: [] })),
    ]);
  };
  return (
    <fieldset className="tg-fieldset">
      <legend>{t("adminRouting:policies.experiment")}</legend>
      <Text size="xs" c="dimmed">
        {t("adminRouting:policies.experimentHint")}
      </Text>
      {arms.map((arm, index) => (
        <Group key={arm.key} align="flex-end" gap="xs" mt="sm" wrap="wrap">
          <TextInput
            label={t("adminRouting:policies.arm")}
            w={150}
            spellCheck={false}
            {...form.getInputProps(`arms.${index}.name`)}
          />
          <NumberInput
            label={t("adminRouting:policies.share")}
            description={total > 0 ? percent(Number(arm.share) / total) : undefined}
            inputWrapperOrder={["label", "input", "description"]}
            w={110}
            min={0}
            max={1_000_000}
            allowDecimal={false}
            {...form.getInputProps(`arms.${index}.share`)}
          />
          <ModelInput
            label={t("adminRouting:policies.armModel")}
            placeholder={t("adminRouting:policies.armAsked")}
            w={190}
            {...form.getInputProps(`arms.${index}.model`)}
          />
          <MultiSelect
            label={t("adminRouting:policies.channelGroups")}
            placeholder={arm.groups.length ? undefined : t("adminRouting:policies.armGroups")}
            w={210}
            data={[...new Set([...props.groups, ...arm.groups])]}
            {...form.getInputProps(`arms.${index}.groups`)}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            size={34}
            aria-label={t("adminRouting:policies.removeArm", { name: arm.name || String(index + 1) })}
            onClick={() =>
              form.setFieldValue(
                "arms",
                arms.filter((each) => each.key !== arm.key),
              )
            }
          >
            <Icon name="trash" />
          </ActionIcon>
        </Group>
      ))}
      {form.errors.arms && (
        <Text size="sm" c="red" role="alert" mt="xs">
          {form.errors.arms}
        </Text>
      )}
      <Button mt="sm" size="xs" variant="default" onClick={add} disabled={arms.length >= 8}>
        {arms.length === 0 ? t("adminRouting:policies.startExperiment") : t("adminRouting:policies.addArm")}
      </Button>
    </fieldset>
  );
}
