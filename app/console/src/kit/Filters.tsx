import { Button, MultiSelect, NumberInput, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { useTranslation } from "~/i18n/use";
import { Icon } from "./Icon";

type Option = { value: string; label: string };

export type FilterField =
  | { key: string; kind: "text"; label: string; width?: number; isSearch?: boolean }
  | { key: string; kind: "number"; label: string; width?: number }
  | { key: string; kind: "choice"; label: string; options: Option[]; width?: number; searchable?: boolean }
  | { key: string; kind: "choices"; label: string; options: Option[]; width?: number }
  | { key: string; kind: "flag"; label: string; yes?: string; no?: string; width?: number };

type Values = Record<string, unknown>;

/**
 * The filters above a table, kept in the URL: `value` is the page's search parameters, `onChange` gets what is to be
 * different (`undefined` is no filter). A text is taken when the typing pauses. The field `isSearch` gets the focus by `/`.
 */
export function Filters(props: { fields: FilterField[]; value: Values; onChange: (patch: never) => void }) {
  const { t } = useTranslation(["kit", "common"]);
  const change = props.onChange as (patch: Values) => void;
  const active = props.fields.filter((field) => props.value[field.key] !== undefined);
  return (
    <search className="tg-filters" aria-label={t("kit:filters.title")}>
      {props.fields.map((field) => (
        <Field
          key={field.key}
          field={field}
          value={props.value[field.key]}
          onChange={(value) => change({ [field.key]: value })}
        />
      ))}
      {active.length > 0 && (
        <Button
          size="xs"
          variant="subtle"
          color="gray"
          leftSection={<Icon name="x" size={12} />}
          onClick={() => change(Object.fromEntries(active.map((field) => [field.key, undefined])))}
        >
          {t("kit:filters.clear")}
        </Button>
      )}
    </search>
  );
}

function Field(props: { field: FilterField; value: unknown; onChange: (value: unknown) => void }) {
  const { t } = useTranslation(["kit", "common"]);
  const { field, value, onChange } = props;
  const common = { "aria-label": field.label, size: "xs" as const, w: field.width ?? 170 };
  switch (field.kind) {
    case "text":
      return <TextField {...props} field={field} />;
    case "number":
      return (
        <NumberInput
          {...common}
          placeholder={field.label}
          value={typeof value === "number" ? value : ""}
          onChange={(next) => onChange(typeof next === "number" ? next : undefined)}
          hideControls
        />
      );
    case "choice":
      return (
        <Select
          {...common}
          placeholder={field.label}
          data={field.options}
          value={typeof value === "string" ? value : null}
          onChange={(next) => onChange(next ?? undefined)}
          searchable={field.searchable ?? field.options.length > 8}
          clearable
          allowDeselect
        />
      );
    case "choices":
      return (
        <MultiSelect
          {...common}
          placeholder={Array.isArray(value) && value.length ? undefined : field.label}
          data={field.options}
          value={Array.isArray(value) ? (value as string[]) : []}
          onChange={(next) => onChange(next.length ? next : undefined)}
          searchable={field.options.length > 8}
          clearable
        />
      );
    case "flag":
      return (
        <Select
          {...common}
          placeholder={field.label}
          data={[
            { value: "true", label: field.yes ?? t("common:yes") },
            { value: "false", label: field.no ?? t("common:no") },
          ]}
          value={value === undefined ? null : String(value)}
          onChange={(next) => onChange(next === null ? undefined : next === "true")}
          clearable
          allowDeselect
        />
      );
  }
}

function TextField(props: {
  field: Extract<FilterField, { kind: "text" }>;
  value: unknown;
  onChange: (value: unknown) => void;
}) {
  const given = typeof props.value === "string" ? props.value : "";
  const [typed, setTyped] = useState(given);
  const send = useDebouncedCallback((next: string) => props.onChange(next.trim() || undefined), 250);
  // The URL may change by itself: the back button, the clearing of all.
  useEffect(() => setTyped(given), [given]);
  return (
    <TextInput
      size="xs"
      w={props.field.width ?? 200}
      aria-label={props.field.label}
      placeholder={props.field.label}
      leftSection={props.field.isSearch ? <Icon name="search" size={14} /> : undefined}
      data-search={props.field.isSearch || undefined}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        send(event.currentTarget.value);
      }}
    />
  );
}
