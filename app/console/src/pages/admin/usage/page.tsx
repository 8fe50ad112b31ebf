import { MultiSelect } from "@mantine/core";
import type { LinkProps } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import type { FilterField } from "~/kit/Filters";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useNames } from "~/parts/names";
import { useTenantDirectory } from "~/parts/tenants";
import { UsageReport } from "~/parts/UsageReport";
import { DIMENSIONS, type Dimension, REST, useTop } from "~/parts/usage";
import { useMay } from "~/session/session";
import { DIMENSIONS_MAX, dimensionsOf, FILTERS, NEXT } from "./dimensions";
import { adminUsageRoute } from "./routes";

export default function AdminUsagePage() {
  const { t } = useTranslation(["adminUsage", "usage", "common"]);
  const [search, setSearch] = useUrl(adminUsageRoute);
  const bar = useBar("30d");
  const may = useMay();
  const by = dimensionsOf(search.by);
  const tenant_id = search.tenant_id === undefined ? undefined : Number(search.tenant_id);
  const { user_id, token_id, model_asked, model_routed, channel_id, vendor, tag } = search;
  const filters = { tenant_id, user_id, token_id, model_asked, model_routed, channel_id, vendor, tag };

  const tenants = useTenantDirectory();
  const channels = useNames("/api/channels", { enabled: may("channel:read") });
  // Of all people and keys only names are wanted, of a tenant's also a choice.
  const isOf = tenant_id !== undefined;
  const users = useNames("/api/users", {
    tenantId: tenant_id,
    enabled: may("user:read") && (isOf || by.includes("user") || user_id !== undefined),
  });
  const keys = useNames("/api/tokens", {
    tenantId: tenant_id,
    enabled: may("token:read") && (isOf || by.includes("token") || token_id !== undefined),
  });
  const asked = useModels("model_asked", bar, model_asked);
  const routed = useModels("model_routed", bar, model_routed);

  const nameOf = (dimension: Dimension, key: string): string => {
    switch (dimension) {
      case "tenant":
        return tenants.nameOf(key);
      case "user":
        return users.nameOf(key);
      case "token":
        return keys.nameOf(key);
      case "channel":
        return channels.nameOf(key);
      default:
        return key;
    }
  };
  const entriesOf = (row: Record<string, string>): LinkProps => ({
    to: "/admin/requests",
    search: {
      ...filters,
      ...Object.fromEntries(by.flatMap((each) => (row[each] ? [[FILTERS[each], row[each]]] : []))),
      range: bar.range === "custom" ? undefined : bar.range,
      from: bar.range === "custom" ? bar.from : undefined,
      to: bar.range === "custom" ? bar.to : undefined,
    } as never,
  });
  const drillInto = (dimension: Dimension, key: string): LinkProps => ({
    to: ".",
    search: ((old: object) => ({
      ...old,
      // What is billed is what was asked for, unless a fallback has another price: its filter is not among those here.
      [dimension === "model_billed" ? "model_asked" : FILTERS[dimension]]: key,
      by: [NEXT[dimension]],
    })) as never,
  });
  const fields: FilterField[] = [
    {
      key: "tenant_id",
      kind: "choice",
      label: t("common:terms.tenant"),
      options: tenants.tenants.map((each) => ({ value: String(each.id), label: each.name })),
      width: 190,
    },
    { key: "model_asked", kind: "choice", label: t("usage:by.model_asked"), options: asked, width: 170 },
    { key: "model_routed", kind: "choice", label: t("usage:by.model_routed"), options: routed, width: 170 },
    { key: "channel_id", kind: "choice", label: t("common:terms.channel"), options: channels.choices, width: 170 },
    {
      key: "vendor",
      kind: "choice",
      label: t("common:terms.vendor"),
      options: choicesOf([...channels.items.map((each) => each.type ?? ""), vendor ?? ""]),
      width: 130,
    },
    { key: "user_id", kind: "choice", label: t("common:terms.user"), options: known(users.choices, user_id) },
    { key: "token_id", kind: "choice", label: t("common:terms.key"), options: known(keys.choices, token_id) },
    { key: "tag", kind: "text", label: t("usage:by.tag"), width: 110 },
  ].filter(({ key }) => isOf || !["user_id", "token_id"].includes(key) || search[key as "user_id"]) as FilterField[];
  return (
    <UsageReport
      title={t("adminUsage:title")}
      about={t("adminUsage:about")}
      bar={bar}
      otherwise="30d"
      zone
      by={by}
      groupBy={
        <MultiSelect
          label={t("usage:groupBy")}
          description={t("adminUsage:groupByHint", { count: DIMENSIONS_MAX })}
          data={DIMENSIONS.map((each) => ({ value: each, label: t(`usage:by.${each}`) }))}
          value={by}
          maxValues={DIMENSIONS_MAX}
          hidePickedOptions
          onChange={(next) => setSearch({ by: next.length ? next : undefined })}
          maw={520}
        />
      }
      filters={filters}
      fields={fields}
      search={search}
      setSearch={setSearch}
      nameOf={nameOf}
      entriesOf={entriesOf}
      drillInto={drillInto}
      withCost={may("cost:read")}
      model="demo-chat"
    />
  );
}

type Choice = { value: string; label: string };

const choicesOf = (values: string[]): Choice[] =>
  [...new Set(values.filter((each) => each !== ""))].sort().map((each) => ({ value: each, label: each }));

/** Choices that have the chosen one in any case. */
const known = (choices: Choice[], chosen: string | undefined): Choice[] =>
  chosen === undefined || choices.some((each) => each.value === chosen)
    ? choices
    : [...choices, { value: chosen, label: chosen }];

/** The models that were used in this time. */
function useModels(by: "model_asked" | "model_routed", bar: { from: string; to: string }, chosen: string | undefined) {
  const top = useTop({ by, from: bar.from, to: bar.to, limit: 500 });
  const used = (top.data?.rows ?? []).map((row) => row.keys[by] ?? "").filter((each) => each !== REST);
  return choicesOf([...used, chosen ?? ""]);
}
