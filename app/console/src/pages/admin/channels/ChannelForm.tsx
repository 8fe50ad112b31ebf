import {
  Alert,
  Button,
  Checkbox,
  Group,
  MultiSelect,
  NumberInput,
  Select,
  SimpleGrid,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { type Form, FormDrawer } from "~/kit/Form";
import { milliseconds } from "~/lib/format";
import {
  type Channel,
  channelsChanged,
  type Kind,
  mapText,
  parseMap,
  readChannel,
  useChannelGroups,
  useKinds,
} from "./channel";

type Values = {
  name: string;
  type: string;
  key: string;
  baseUrl: string;
  options: Record<string, string>;
  models: string[];
  map: string;
  groups: string[];
  weight: number | string;
  priority: number | string;
  rpm: number | string;
  tpm: number | string;
  concurrency: number | string;
  context: number | string;
  costCard: string;
  drops: boolean;
  enabled: boolean;
};

const FRESH: Values = {
  name: "",
  type: "",
  key: "",
  baseUrl: "",
  options: {},
  models: [],
  map: "",
  groups: ["default"],
  weight: 100,
  priority: 0,
  rpm: "",
  tpm: "",
  concurrency: "",
  context: "",
  costCard: "",
  drops: false,
  enabled: true,
};

export const valuesOf = (channel: Channel): Values => ({
  name: channel.name,
  type: channel.type,
  key: "",
  baseUrl: channel.base_url,
  options: { ...channel.options },
  models: [...channel.models],
  map: mapText(channel.model_map),
  groups: [...channel.channel_groups],
  weight: channel.weight,
  priority: channel.priority,
  rpm: channel.limits.requests_per_minute ?? "",
  tpm: channel.limits.tokens_per_minute ?? "",
  concurrency: channel.limits.concurrency ?? "",
  context: channel.context_tokens_max ?? "",
  costCard: channel.cost_card_id ?? "",
  drops: channel.drops_unsupported,
  enabled: channel.enabled,
});

const figure = (value: number | string): number | null => (typeof value === "number" ? value : null);

/** What both making and changing a channel send. */
export const bodyOf = (values: Values) => ({
  name: values.name.trim(),
  base_url: values.baseUrl.trim(),
  options: values.options,
  models: values.models,
  model_map: parseMap(values.map) ?? {},
  channel_groups: values.groups,
  weight: figure(values.weight) ?? 0,
  priority: figure(values.priority) ?? 0,
  limits: {
    requests_per_minute: figure(values.rpm),
    tokens_per_minute: figure(values.tpm),
    concurrency: figure(values.concurrency),
  },
  context_tokens_max: figure(values.context),
  cost_card_id: values.costCard || null,
  drops_unsupported: values.drops,
  enabled: values.enabled,
});

/** Make a channel, or change one (`channel`): the form is what the type declares. */
export function ChannelForm(props: {
  opened: boolean;
  onClose: () => void;
  channel?: Channel;
  onMade?: (id: string) => void;
}) {
  const { t } = useTranslation("adminChannels");
  const { kinds, wordsOf } = useKinds();
  const { channel } = props;
  const kindOf = (values: Values): Kind | undefined => kinds.find((each) => each.name === values.type);
  return (
    <FormDrawer<Values>
      wide
      opened={props.opened}
      onClose={props.onClose}
      title={channel ? t("form.changeTitle", { name: channel.name }) : t("form.newTitle")}
      submit={channel ? undefined : t("form.create")}
      initial={channel ? valuesOf(channel) : FRESH}
      entity={channel}
      reload={channel ? () => readChannel(channel.id) : undefined}
      valuesOf={valuesOf as never}
      reason
      validate={{
        name: (name) => (name.trim() ? null : t("form.nameNeeded")),
        type: (type) => (type ? null : t("form.typeNeeded")),
        key: (key, values) => (!channel && kindOf(values)?.needs_key && !key.trim() ? t("form.keyNeeded") : null),
        baseUrl: (url, values) => (kindOf(values)?.needs_base_url && !url.trim() ? t("form.baseUrlNeeded") : null),
        map: (map) => (parseMap(map) ? null : t("form.mapWrong")),
        options: (options, values) => {
          const missing = kindOf(values)?.fields.find((each) => each.required && !options[each.name] && !each.default);
          return missing ? t("form.fieldNeeded", { field: wordsOf(missing.title) }) : null;
        },
      }}
      onSubmit={async (values, call) => {
        if (channel) {
          await api.PATCH("/api/channels/{channel_id}", {
            params: { path: { channel_id: channel.id }, header: { "If-Match": call.ifMatch } },
            body: { ...bodyOf(values), reason: call.reason },
          });
        } else {
          const made = await data(
            api.POST("/api/channels", {
              body: { ...bodyOf(values), type: values.type, key: values.key.trim() || null, reason: call.reason },
            }),
          );
          props.onMade?.(made.id);
        }
        channelsChanged();
      }}
    >
      {(form) => <Fields form={form} channel={channel} />}
    </FormDrawer>
  );
}

function Fields(props: { form: Form<Values>; channel: Channel | undefined }) {
  const { t } = useTranslation(["adminChannels", "common"]);
  const { form, channel } = props;
  const { kinds, wordsOf } = useKinds();
  const groups = useChannelGroups();
  const cards = useQuery({
    queryKey: ["get", "/api/rate-cards", "cost"],
    queryFn: () => data(api.GET("/api/rate-cards", { params: { query: { use: "cost", limit: 200 } } })),
  });
  // A channel names a series of cards: whichever of it is in force says what the vendor charges.
  const series = [...new Set((cards.data?.items ?? []).map((each) => each.series_id))];
  const { values } = form;
  const kind = kinds.find((each) => each.name === values.type);
  // Only how the key begins is asked about before it is tested.
  const start = values.key.trim().slice(0, 8);
  useQuery({
    queryKey: ["detect", start],
    queryFn: async () => {
      const guess = await data(api.POST("/api/channel-types/detect", { body: { key_start: start } }));
      const type = guess.types[0];
      if (type && !form.values.type) choose(type);
      return guess;
    },
    enabled: !channel && start.length >= 3 && !values.type,
  });
  const choose = (type: string) => {
    const [before, next] = [form.values.type, type].map((name) => kinds.find((each) => each.name === name));
    const { name, models } = form.values;
    // What the former type suggested goes with it; what was typed stays.
    const isSuggested = String(models) === String(before?.models ?? []);
    form.setFieldValue("type", type);
    if (next && (!name || (before && name === wordsOf(before.title)))) form.setFieldValue("name", wordsOf(next.title));
    // What stands at an address of one's own has the models that it has.
    if (next && (models.length === 0 || isSuggested))
      form.setFieldValue("models", next.needs_base_url ? [] : [...next.models]);
  };
  return (
    <>
      {!channel && (
        <Textarea
          label={kind ? wordsOf(kind.key_title) || t("adminChannels:form.key") : t("adminChannels:form.key")}
          description={(kind && wordsOf(kind.key_help)) || t("adminChannels:form.keys")}
          autosize
          minRows={1}
          autoComplete="off"
          spellCheck={false}
          className="tg-secret"
          {...form.getInputProps("key")}
        />
      )}
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Select
          label={t("adminChannels:form.type")}
          description={channel ? undefined : t("adminChannels:form.typeHint")}
          data={kinds
            .filter((each) => each.retired === null || each.name === values.type)
            .map((each) => ({ value: each.name, label: wordsOf(each.title) }))}
          value={values.type || null}
          onChange={(type) => type && choose(type)}
          error={form.errors.type}
          disabled={channel !== undefined}
          searchable
        />
        <TextInput label={t("common:name")} {...form.getInputProps("name")} />
      </SimpleGrid>
      <TextInput
        label={t("adminChannels:form.baseUrl")}
        description={kind?.base_url ? t("adminChannels:form.baseUrlHint", { url: kind.base_url }) : undefined}
        required={kind?.needs_base_url}
        {...form.getInputProps("baseUrl")}
      />
      {kind && kind.fields.length > 0 && (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          {kind.fields.map((field) => {
            const shown = {
              label: wordsOf(field.title),
              description: wordsOf(field.help),
              required: field.required,
              value: values.options[field.name] ?? "",
            };
            const set = (value: string) => {
              const { [field.name]: _, ...others } = form.values.options;
              form.setFieldValue("options", value === "" ? others : { ...others, [field.name]: value });
            };
            return field.choices.length > 0 ? (
              <Select
                key={field.name}
                {...shown}
                data={[...field.choices]}
                placeholder={field.default}
                onChange={(value) => set(value ?? "")}
                clearable={!field.required}
              />
            ) : (
              <TextInput
                key={field.name}
                {...shown}
                placeholder={field.default}
                onChange={(event) => set(event.currentTarget.value)}
              />
            );
          })}
        </SimpleGrid>
      )}
      {form.errors.options && (
        <Text size="sm" c="red" role="alert">
          {form.errors.options}
        </Text>
      )}
      <TagsInput
        label={t("adminChannels:form.models")}
        description={t("adminChannels:form.modelsHint")}
        data={[...(kind?.models ?? [])]}
        splitChars={[",", " "]}
        {...form.getInputProps("models")}
      />
      <ModelHelp form={form} channel={channel} kind={kind} />
      <Textarea
        label={t("adminChannels:form.map")}
        description={t("adminChannels:form.mapHint")}
        autosize
        minRows={1}
        {...form.getInputProps("map")}
      />
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <MultiSelect
          label={t("adminChannels:form.groups")}
          description={t("adminChannels:form.groupsHint")}
          data={[...new Set(["default", ...groups, ...values.groups])]}
          {...form.getInputProps("groups")}
        />
        <NumberInput
          label={t("adminChannels:form.weight")}
          description={t("adminChannels:columns.weightHint")}
          min={0}
          max={1_000_000}
          allowDecimal={false}
          {...form.getInputProps("weight")}
        />
        <NumberInput
          label={t("adminChannels:form.priority")}
          description={t("adminChannels:columns.prioHint")}
          allowDecimal={false}
          {...form.getInputProps("priority")}
        />
      </SimpleGrid>
      <fieldset className="tg-fieldset">
        <legend>{t("adminChannels:form.limits")}</legend>
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          <NumberInput label={t("adminChannels:form.rpm")} min={1} {...form.getInputProps("rpm")} />
          <NumberInput label={t("adminChannels:form.tpm")} min={1} {...form.getInputProps("tpm")} />
          <NumberInput label={t("adminChannels:form.concurrency")} min={1} {...form.getInputProps("concurrency")} />
        </SimpleGrid>
      </fieldset>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <NumberInput
          label={t("adminChannels:form.context")}
          description={t("adminChannels:form.contextHint")}
          min={1}
          {...form.getInputProps("context")}
        />
        <Select
          label={t("adminChannels:form.costCard")}
          description={t("adminChannels:form.costCardHint")}
          data={[
            { value: "", label: t("adminChannels:form.noCostCard") },
            ...series.map((each) => ({ value: each, label: each })),
          ]}
          {...form.getInputProps("costCard")}
        />
      </SimpleGrid>
      <Checkbox label={t("adminChannels:form.drops")} {...form.getInputProps("drops", { type: "checkbox" })} />
      <Checkbox label={t("adminChannels:form.enabled")} {...form.getInputProps("enabled", { type: "checkbox" })} />
    </>
  );
}

/** Test what was typed, and take the models that the vendor lists. */
function ModelHelp(props: { form: Form<Values>; channel: Channel | undefined; kind: Kind | undefined }) {
  const { t } = useTranslation("adminChannels");
  const { form, channel, kind } = props;
  const [outcome, setOutcome] = useState<Schema["ChannelTestView"] | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const { values } = form;
  const run = async () => {
    setBusy(true);
    setProblem(null);
    setOutcome(null);
    try {
      setOutcome(
        await data(
          channel
            ? api.POST("/api/channels/{channel_id}/test", {
                params: { path: { channel_id: channel.id } },
                body: { key_number: 1 },
              })
            : api.POST("/api/channels/test", {
                body: {
                  type: values.type,
                  key: values.key.trim() || null,
                  base_url: values.baseUrl.trim(),
                  options: values.options,
                  model_map: parseMap(values.map) ?? {},
                  models: values.models.length ? values.models : (kind?.models.slice(0, 1) ?? []),
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
    <>
      <Group gap="xs">
        <Button variant="default" size="xs" onClick={run} loading={busy} disabled={!values.type}>
          {t("form.testFirst")}
        </Button>
        {outcome && outcome.models.length > 0 && (
          <Button variant="default" size="xs" onClick={() => form.setFieldValue("models", [...outcome.models])}>
            {t("form.fetch")}
          </Button>
        )}
        {kind && kind.models.length > 0 && (
          <Button
            variant="subtle"
            size="xs"
            onClick={() => form.setFieldValue("models", [...new Set([...values.models, ...kind.models])])}
          >
            {t("form.suggested")}
          </Button>
        )}
      </Group>
      {outcome && <TestOutcome outcome={outcome} />}
      {problem !== null && <Failure problem={problem} compact />}
    </>
  );
}

/** What a test said. */
export function TestOutcome({ outcome }: { outcome: Schema["ChannelTestView"] }) {
  const { t } = useTranslation("adminChannels");
  return outcome.ok ? (
    <Alert color="teal" role="status">
      {`${t("test.good", { time: milliseconds(outcome.latency_milliseconds) })} ${
        outcome.models.length ? t("test.models", { count: outcome.models.length }) : ""
      }`}
    </Alert>
  ) : (
    <Alert color="red" role="alert" title={t("test.bad")}>
      <Text size="sm" lang="en">
        {[outcome.kind, outcome.code, outcome.advice].filter(Boolean).join(" · ")}
      </Text>
    </Alert>
  );
}
