import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Checkbox,
  Group,
  NumberInput,
  SimpleGrid,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { useState } from "react";
import { api, ifMatch } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { Filters } from "~/kit/Filters";
import { FormDrawer, FormModal } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { compact } from "~/lib/format";
import { useUrl } from "~/lib/url";
import type { Card } from "~/parts/cards";
import { OTHER_CLASSES, TOKEN_CLASSES, type TokenClass } from "~/parts/prices";
import { useMay } from "~/session/session";
import {
  type Aliases,
  cardsChanged,
  changedModels,
  isPrice,
  namesOf,
  type Price,
  type Prices,
  renamedModels,
  samePrice,
  takenName,
  useParts,
  withNames,
  withPrice,
  wrongPrices,
} from "./prices";
import { adminCardRoute } from "./routes";

const INLINE = ["input", "cached_input", "cache_write", "output"] as const satisfies readonly TokenClass[];

/** Names in a row; the form shows all of them. */
const NAMES_SHOWN = 2;

type Row = { model: string; names: string[]; price: Price; isNew: boolean; isChanged: boolean };

/** The prices of a card; of a draft they are typed over, and saved together. */
export function PriceEditor({ card }: { card: Card }) {
  const { t } = useTranslation(["adminPrices", "common", "prices"]);
  const may = useMay();
  const editable = may("pricing:write") && !card.published && !card.archived;
  const [search, setSearch] = useUrl(adminCardRoute);
  const before = card.models as Prices;
  const [prices, setPrices] = useState<Prices>(before);
  const [aliases, setAliases] = useState<Aliases>(card.aliases);
  const [open, setOpen] = useState<string | null>(null);
  const [adding, setAdding] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const renamed = renamedModels(card.aliases, aliases);
  const changed = [...new Set([...changedModels(before, prices), ...renamed])];
  const wrong = wrongPrices(prices);
  const wanted = search.search?.toLowerCase();
  const rows: Row[] = Object.keys(prices)
    .filter(
      (model) => !wanted || [model, ...namesOf(aliases, model)].some((name) => name.toLowerCase().includes(wanted)),
    )
    .sort((one, other) => one.localeCompare(other))
    .map((model) => ({
      model,
      names: namesOf(aliases, model),
      price: prices[model] ?? {},
      isNew: !(model in before),
      isChanged: !samePrice(before[model], prices[model]) || renamed.includes(model),
    }));
  const listing = useParts(rows);
  const removed = Object.keys(before).filter((model) => !(model in prices));
  const save = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await api.PATCH("/api/rate-cards/{card_id}", {
        params: { path: { card_id: card.id }, header: { "If-Match": ifMatch(card) } },
        body: { models: prices, aliases } as never,
      });
      cardsChanged();
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };
  const reset = () => {
    setPrices(before);
    setAliases(card.aliases);
  };
  const columns: Column<Row>[] = [
    {
      key: "model",
      header: t("common:terms.model"),
      cell: (row) => (
        <Group gap={6} wrap="nowrap">
          <span>{row.model}</span>
          {row.price.free && (
            <Badge size="xs" variant="light">
              {t("prices:free")}
            </Badge>
          )}
          {row.isNew ? (
            <Badge size="xs" variant="light" color="blue">
              {t("adminPrices:editor.new")}
            </Badge>
          ) : (
            row.isChanged && (
              <Badge size="xs" variant="light" color="orange">
                {t("adminPrices:editor.changed")}
              </Badge>
            )
          )}
        </Group>
      ),
      csv: (row) => row.model,
      fixed: true,
    },
    ...INLINE.map(
      (name): Column<Row> => ({
        key: name,
        header: t(`prices:classes.${name}`),
        hint: t("prices:currencyPer1m", { currency: card.currency }),
        cell: (row) =>
          editable ? (
            <TextInput
              size="xs"
              className="tg-price-input"
              inputMode="decimal"
              aria-label={t("adminPrices:editor.cell", { model: row.model, price: t(`prices:classes.${name}`) })}
              data-dirty={(row.price[name] ?? "") !== (before[row.model]?.[name] ?? "") || undefined}
              error={!isPrice((row.price[name] ?? "").trim())}
              value={row.price[name] ?? ""}
              onChange={(event) => setPrices(withPrice(prices, row.model, name, event.currentTarget.value.trim()))}
            />
          ) : (
            <Money value={row.price[name]} currency={card.currency} />
          ),
        csv: (row) => row.price[name],
        numeric: true,
      }),
    ),
    {
      key: "names",
      header: t("adminPrices:editor.names"),
      hint: t("adminPrices:editor.namesHint"),
      cell: (row) => (
        <div className="tg-names" title={row.names.join("\n")}>
          {row.names.slice(0, NAMES_SHOWN).map((name) => (
            <div key={name}>{name}</div>
          ))}
          {row.names.length > NAMES_SHOWN && (
            <div>{t("adminPrices:editor.moreNames", { count: row.names.length - NAMES_SHOWN })}</div>
          )}
        </div>
      ),
      csv: (row) => row.names.join(" "),
    },
    {
      key: "other",
      header: t("prices:other"),
      cell: (row) => <Others price={row.price} currency={card.currency} />,
    },
    {
      key: "context",
      header: t("prices:context"),
      hint: t("prices:contextHint"),
      cell: (row) => (row.price.context_tokens_max ? compact(row.price.context_tokens_max) : "–"),
      csv: (row) => row.price.context_tokens_max,
      numeric: true,
    },
  ];
  return (
    <Stack>
      {editable && (
        <Group justify="space-between">
          <Text size="sm" c={wrong.length ? "red" : "dimmed"} role="status">
            {wrong.length
              ? t("adminPrices:editor.wrong", { count: wrong.length, model: wrong[0] })
              : changed.length === 0
                ? t("adminPrices:editor.unchanged")
                : t("adminPrices:editor.pending", { count: changed.length, removed: removed.length })}
          </Text>
          <Group gap="xs">
            <Button variant="default" leftSection={<Icon name="plus" />} onClick={() => setAdding(true)}>
              {t("adminPrices:editor.add")}
            </Button>
            <Button variant="default" disabled={changed.length === 0} onClick={reset}>
              {t("adminPrices:editor.reset")}
            </Button>
            <Button onClick={save} loading={busy} disabled={changed.length === 0 || wrong.length > 0}>
              {t("adminPrices:editor.save")}
            </Button>
          </Group>
        </Group>
      )}
      {problem && <Failure problem={problem} />}
      {editable && removed.length > 0 && (
        <Alert color="orange">
          <Text size="sm">
            {t("adminPrices:editor.removed", { count: removed.length, models: removed.slice(0, 8).join(", ") })}
          </Text>
        </Alert>
      )}
      <DataTable
        id="card-prices"
        caption={t("adminPrices:cardTabs.prices")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.model}
        filters={
          <Filters
            fields={[{ key: "search", kind: "text", label: t("prices:find"), isSearch: true }]}
            value={search}
            onChange={setSearch}
          />
        }
        filtered={search.search !== undefined}
        onClear={() => setSearch({ search: undefined })}
        empty={{ title: t("adminPrices:editor.empty"), text: t("adminPrices:editor.emptyText") }}
        rowActions={
          editable
            ? (row) => (
                <Group gap={2} wrap="nowrap">
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={t("adminPrices:editor.all", { model: row.model })}
                    onClick={() => setOpen(row.model)}
                  >
                    <Icon name="edit" />
                  </ActionIcon>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={t("adminPrices:editor.remove", { model: row.model })}
                    onClick={() => {
                      const { [row.model]: _, ...others } = prices;
                      setPrices(others);
                      setAliases(withNames(aliases, row.model, []));
                    }}
                  >
                    <Icon name="trash" />
                  </ActionIcon>
                </Group>
              )
            : undefined
        }
      />
      <FormModal
        opened={adding}
        onClose={() => setAdding(false)}
        title={t("adminPrices:editor.add")}
        submit={t("common:add")}
        initial={{ model: "" }}
        done=""
        validate={{
          model: (model) =>
            !model.trim()
              ? t("adminPrices:editor.modelNeeded")
              : model.trim() in prices || model.trim() in aliases
                ? t("adminPrices:editor.modelTwice")
                : null,
        }}
        onSubmit={async ({ model }) => {
          setPrices({ ...prices, [model.trim()]: {} });
          setSearch({ search: model.trim() });
        }}
      >
        {(form) => <TextInput label={t("common:terms.model")} data-autofocus {...form.getInputProps("model")} />}
      </FormModal>
      <AllPrices
        key={open}
        model={open}
        price={open ? prices[open] : undefined}
        names={open ? namesOf(aliases, open) : []}
        taken={(names) => takenName(names, open ?? "", prices, aliases)}
        currency={card.currency}
        onClose={() => setOpen(null)}
        onChange={(price, names) => {
          if (!open) return;
          setPrices({ ...prices, [open]: price });
          setAliases(withNames(aliases, open, names));
        }}
      />
    </Stack>
  );
}

/** What else a model charges for, in a line each. */
function Others(props: { price: Price; currency: string }) {
  const { t } = useTranslation("prices");
  const { price } = props;
  const others = [...TOKEN_CLASSES.filter((name) => !INLINE.some((each) => each === name)), ...OTHER_CLASSES].filter(
    (name) => price[name],
  );
  const images = Object.keys(price.per_image_by ?? {}).length;
  const tiers = price.tiers?.length ?? 0;
  return (
    <span className="tg-lines">
      {others.map((name) => (
        <span key={name}>
          <Money value={price[name]} currency={props.currency} />{" "}
          <span className="tg-dim">{t(`classes.${name}`)} </span>
        </span>
      ))}
      {images > 0 && <span className="tg-dim">{t("imageKinds", { count: images })} </span>}
      {tiers > 0 && <span className="tg-dim">{t("tiers", { count: tiers })}</span>}
    </span>
  );
}

type Field = TokenClass | (typeof OTHER_CLASSES)[number];
const FIELDS: readonly Field[] = [...TOKEN_CLASSES, ...OTHER_CLASSES];

type Values = {
  fields: Record<string, string>;
  free: boolean;
  context: number | string;
  output: number | string;
  images: { key: string; kind: string; price: string }[];
  tiers: { key: string; from: number | string; fields: Record<string, string> }[];
};

/** What is wrong with the prices of a form, or null; the API would refuse the same, but for all models at once. */
export function priceProblem(values: Values): "digits" | "audio" | "tiers" | null {
  const wrong = (fields: Record<string, string>) => Object.values(fields).some((each) => !isPrice(each.trim()));
  const images = values.images.some((each) => !each.kind.trim() || !each.price.trim() || !isPrice(each.price.trim()));
  if (wrong(values.fields) || images || values.tiers.some((tier) => wrong(tier.fields))) return "digits";
  if (values.fields.per_second?.trim() && values.fields.per_hour?.trim()) return "audio";
  const starts = values.tiers.map((tier) => Number(tier.from));
  return starts.some((from) => from < 1) || new Set(starts).size < starts.length ? "tiers" : null;
}

export const valuesOf = (price: Price): Values => ({
  fields: Object.fromEntries(FIELDS.map((name) => [name, price[name] ?? ""])),
  free: price.free ?? false,
  context: price.context_tokens_max ?? "",
  output: price.output_tokens_max ?? "",
  images: Object.entries(price.per_image_by ?? {}).map(([kind, value]) => ({ key: kind, kind, price: value })),
  tiers: (price.tiers ?? []).map((tier) => ({
    key: String(tier.input_tokens_from),
    from: tier.input_tokens_from,
    fields: Object.fromEntries(TOKEN_CLASSES.map((name) => [name, tier[name] ?? ""])),
  })),
});

const filled = (fields: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value.trim() === "" ? [] : [[name, value.trim()]])),
  );

/** The price that a form says; what is empty is left out. */
export const priceOf = (values: Values): Price => ({
  ...filled(values.fields),
  ...(values.free ? { free: true } : {}),
  ...(values.context === "" ? {} : { context_tokens_max: Number(values.context) }),
  ...(values.output === "" ? {} : { output_tokens_max: Number(values.output) }),
  ...(values.images.length
    ? { per_image_by: Object.fromEntries(values.images.map((each) => [each.kind.trim(), each.price.trim()])) }
    : {}),
  ...(values.tiers.length
    ? {
        tiers: values.tiers
          .map((tier) => ({ input_tokens_from: Number(tier.from), ...filled(tier.fields) }))
          .sort((one, other) => one.input_tokens_from - other.input_tokens_from),
      }
    : {}),
});

const PROBLEMS = { digits: "digits", audio: "audioTwice", tiers: "tiersTwice" } as const;

/** Every price of a model: what the table has no room for. */
function AllPrices(props: {
  model: string | null;
  price: Price | undefined;
  names: string[];
  taken: (names: string[]) => { name: string; by: string } | null;
  currency: string;
  onClose: () => void;
  onChange: (price: Price, names: string[]) => void;
}) {
  const { t } = useTranslation(["adminPrices", "common", "prices"]);
  return (
    <FormDrawer<Values & { names: string[] }>
      wide
      opened={props.model !== null}
      onClose={props.onClose}
      title={t("adminPrices:editor.all", { model: props.model ?? "" })}
      about={t("adminPrices:editor.allAbout", { currency: props.currency })}
      submit={t("common:apply")}
      done=""
      initial={{ ...valuesOf(props.price ?? {}), names: props.names }}
      validate={{
        fields: (_, values) => {
          const problem = priceProblem(values);
          return problem && t(`adminPrices:editor.${PROBLEMS[problem]}`);
        },
        names: (names) => {
          const taken = props.taken(names);
          return taken && t("adminPrices:editor.nameTaken", taken);
        },
      }}
      onSubmit={async ({ names, ...values }) => props.onChange(priceOf(values), names)}
    >
      {(form) => (
        <>
          <TagsInput
            label={t("adminPrices:editor.names")}
            description={t("adminPrices:editor.namesHint")}
            value={form.values.names}
            onChange={(names) => form.setFieldValue("names", names.map((name) => name.trim()).filter(Boolean))}
            error={form.errors.names}
            splitChars={[",", " "]}
            clearable
          />
          <SimpleGrid cols={{ base: 1, sm: 3 }}>
            {FIELDS.map((name) => (
              <TextInput
                key={name}
                label={t(`prices:classes.${name}`)}
                inputMode="decimal"
                {...form.getInputProps(`fields.${name}`)}
              />
            ))}
          </SimpleGrid>
          <Checkbox label={t("adminPrices:editor.free")} {...form.getInputProps("free", { type: "checkbox" })} />
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <NumberInput label={t("prices:context")} min={1} allowDecimal={false} {...form.getInputProps("context")} />
            <NumberInput
              label={t("adminPrices:editor.outputMax")}
              min={1}
              allowDecimal={false}
              {...form.getInputProps("output")}
            />
          </SimpleGrid>
          <fieldset className="tg-fieldset">
            <legend>{t("adminPrices:editor.tiers")}</legend>
            <Text size="xs" c="dimmed">
              {t("prices:tierRule")}
            </Text>
            {form.values.tiers.map((tier, index) => (
              <Stack key={tier.key} gap="xs" mt="sm" className="tg-tier">
                <Group align="flex-end" gap="xs">
                  <NumberInput
                    label={t("adminPrices:editor.tierFrom")}
                    w={160}
                    min={1}
                    allowDecimal={false}
                    {...form.getInputProps(`tiers.${index}.from`)}
                  />
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size={34}
                    aria-label={t("common:remove")}
                    onClick={() => form.removeListItem("tiers", index)}
                  >
                    <Icon name="trash" />
                  </ActionIcon>
                </Group>
                <SimpleGrid cols={{ base: 2, sm: 5 }} spacing="xs">
                  {TOKEN_CLASSES.map((name) => (
                    <TextInput
                      key={name}
                      size="xs"
                      label={t(`prices:classes.${name}`)}
                      inputMode="decimal"
                      {...form.getInputProps(`tiers.${index}.fields.${name}`)}
                    />
                  ))}
                </SimpleGrid>
              </Stack>
            ))}
            <Button
              mt="sm"
              size="xs"
              variant="default"
              onClick={() => form.insertListItem("tiers", { key: crypto.randomUUID(), from: "", fields: {} })}
            >
              {t("adminPrices:editor.addTier")}
            </Button>
          </fieldset>
          <fieldset className="tg-fieldset">
            <legend>{t("adminPrices:editor.images")}</legend>
            {form.values.images.map((image, index) => (
              <Group key={image.key} align="flex-end" gap="xs" mt="sm">
                <TextInput
                  label={t("adminPrices:editor.imageKind")}
                  w={220}
                  {...form.getInputProps(`images.${index}.kind`)}
                />
                <TextInput
                  label={t("prices:classes.per_image")}
                  w={130}
                  inputMode="decimal"
                  {...form.getInputProps(`images.${index}.price`)}
                />
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size={34}
                  aria-label={t("common:remove")}
                  onClick={() => form.removeListItem("images", index)}
                >
                  <Icon name="trash" />
                </ActionIcon>
              </Group>
            ))}
            <Button
              mt="sm"
              size="xs"
              variant="default"
              onClick={() => form.insertListItem("images", { key: crypto.randomUUID(), kind: "", price: "" })}
            >
              {t("adminPrices:editor.addImage")}
            </Button>
          </fieldset>
          {form.errors.fields && (
            <Text size="sm" c="red" role="alert">
              {form.errors.fields}
            </Text>
          )}
        </>
      )}
    </FormDrawer>
  );
}
