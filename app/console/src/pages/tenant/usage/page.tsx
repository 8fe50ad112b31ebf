import { SegmentedControl } from "@mantine/core";
import type { LinkProps } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import type { FilterField } from "~/kit/Filters";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useKeys, useMayHere, useMembers, useModelNames, useTenantId } from "~/parts/account";
import { UsageReport } from "~/parts/UsageReport";
import { tenantUsageRoute } from "./routes";

const CHOICES = ["model_billed", "token", "user", "tag"] as const;
type Choice = (typeof CHOICES)[number];
/** The request log's filter for a group. */
const ENTRIES: Record<Choice, string> = {
  model_billed: "model_asked",
  token: "token_id",
  user: "user_id",
  tag: "tag",
};

export default function TenantUsagePage() {
  const { t } = useTranslation(["tenantUsage", "usage", "common"]);
  const [search, setSearch] = useUrl(tenantUsageRoute);
  const bar = useBar("30d");
  const tenantId = useTenantId();
  const may = useMayHere();
  const keys = useKeys(tenantId);
  const members = useMembers(tenantId);
  const models = useModelNames(tenantId);
  const by: Choice = search.by ?? "model_billed";
  const { model_billed, token_id, user_id, tag } = search;

  const entriesOf = (row: Record<string, string>): LinkProps => ({
    to: "/t/$tenantId/requests",
    params: { tenantId: String(tenantId) },
    search: {
      [ENTRIES[by]]: row[by],
      range: bar.range === "custom" ? undefined : bar.range,
      from: bar.range === "custom" ? bar.from : undefined,
      to: bar.range === "custom" ? bar.to : undefined,
    } as never,
  });
  const fields: FilterField[] = [
    {
      key: "model_billed",
      kind: "choice",
      label: t("common:terms.model"),
      options: [...new Set([...models, ...(model_billed ? [model_billed] : [])])].map((each) => ({
        value: each,
        label: each,
      })),
    },
    {
      key: "token_id",
      kind: "choice",
      label: t("common:terms.key"),
      options: keys.keys.map((each) => ({ value: each.id, label: each.name })),
    },
    ...(may("report:read")
      ? [
          {
            key: "user_id",
            kind: "choice" as const,
            label: t("common:terms.member"),
            options: members.members.map((each) => ({ value: each.user_id, label: each.name || each.login })),
          },
        ]
      : []),
    { key: "tag", kind: "text", label: t("usage:by.tag"), width: 120 },
  ];
  return (
    <UsageReport
      title={t("tenantUsage:title")}
      about={t("tenantUsage:about")}
      bar={bar}
      otherwise="30d"
      by={[by]}
      groupBy={
        <SegmentedControl
          aria-label={t("usage:groupBy")}
          data={CHOICES.filter((each) => each !== "user" || may("report:read")).map((each) => ({
            value: each,
            label: t(`tenantUsage:by.${each}`),
          }))}
          value={by}
          onChange={(next) => setSearch({ by: next === "model_billed" ? undefined : (next as Choice) })}
          className="tg-self-start"
        />
      }
      filters={{ tenant_id: tenantId, model_billed, token_id, user_id, tag }}
      fields={fields}
      search={search}
      setSearch={setSearch}
      nameOf={(dimension, key) =>
        dimension === "token" ? keys.nameOf(key) : dimension === "user" ? members.nameOf(key) : key
      }
      entriesOf={entriesOf}
      model={models[0] ?? "demo-chat"}
    />
  );
}
