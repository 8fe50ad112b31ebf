import { Progress, Text } from "@mantine/core";
import type { LinkProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import type { FilterField } from "~/kit/Filters";
import { Money } from "~/kit/Money";
import { Time } from "~/kit/Time";
import { percent } from "~/lib/format";
import { tokens } from "./Budgets";
import { fullOn } from "./forecast";

type Use = Schema["LimitUse"];

const SCOPES = ["tenant", "user", "token"] as const;
const UNITS = ["money", "tokens", "requests", "slots"] as const;

/** What a list of limits is narrowed by. */
export function useLimitFields(): FilterField[] {
  const { t } = useTranslation(["tenantLimits", "account"]);
  return [
    {
      key: "scope",
      kind: "choice",
      label: t("tenantLimits:whose"),
      options: SCOPES.map((each) => ({ value: each, label: t(`account:scopes.${each}`) })),
    },
    {
      key: "unit",
      kind: "choice",
      label: t("account:unit"),
      options: UNITS.map((each) => ({ value: each, label: t(`account:limitUnits.${each}`) })),
    },
  ];
}

/** An amount of a limit: money, or a whole number. */
export function LimitAmount(props: { use: Use; value: string }): ReactNode {
  return props.use.unit === "money" ? (
    <Money value={props.value} />
  ) : (
    <span className="tg-money">{tokens(props.value)}</span>
  );
}

/** How full a limit is: a bar, with the figure beside it. */
export function Fullness({ use }: { use: Use }) {
  const share = use.used_permille / 1000;
  return (
    <div className="tg-full">
      <Progress
        value={Math.min(100, share * 100)}
        color={share >= 1 ? "red" : share >= 0.8 ? "yellow" : "brand"}
        size="sm"
        aria-hidden="true"
      />
      <Text size="xs" className={share >= 1 ? "tg-bad" : share >= 0.8 ? "tg-warn" : "tg-dim"}>
        {percent(share)}
      </Text>
    </div>
  );
}

/** Every budget and limit with how full it is, the fullest first; of one owner with `ownerId`. */
export function LimitTable(props: {
  /** Of all tenants if left out, which the operator may; `tenantName` names them then. */
  tenantId?: number;
  tenantName?: (id: number) => string;
  ownerId?: string;
  query?: { scope?: Use["scope"]; unit?: Use["unit"] };
  filters?: ReactNode;
  filtered?: boolean;
  onClear?: () => void;
  empty?: string;
  toolbar?: ReactNode;
  /** Where a limit is changed. */
  rowLink?: (use: Use) => LinkProps;
}) {
  const { t } = useTranslation(["account", "common"]);
  const { tenantName } = props;
  const all = useListing("/api/limits", {
    query: { tenant_id: props.tenantId, limit: props.ownerId ? 500 : 100, ...props.query },
  });
  const listing = props.ownerId ? { ...all, rows: all.rows.filter((row) => row.owner_id === props.ownerId) } : all;
  const columns: Column<Use>[] = [
    {
      key: "owner",
      header: t("common:name"),
      cell: (row) => (
        <>
          {row.owner_name || row.owner_id} <span className="tg-dim">{t(`account:scopes.${row.scope}`)}</span>
        </>
      ),
      csv: (row) => row.owner_name,
      fixed: true,
    },
    ...(tenantName
      ? [
          {
            key: "tenant",
            header: t("common:terms.tenant"),
            cell: (row: Use) => tenantName(row.tenant_id),
            csv: (row: Use) => row.tenant_id,
          },
        ]
      : []),
    {
      key: "what",
      header: t("account:unit"),
      cell: (row) => (
        <>
          {t(`account:limitUnits.${row.unit}`)}{" "}
          {row.unit !== "slots" && <span className="tg-dim">{t(`account:limitPeriods.${row.period}`)}</span>}
        </>
      ),
      csv: (row) => `${row.unit} ${row.period}`,
    },
    {
      key: "full",
      header: t("account:fullness"),
      cell: (row) => <Fullness use={row} />,
      csv: (row) => row.used_permille,
    },
    {
      key: "used",
      header: t("common:used"),
      cell: (row) => <LimitAmount use={row} value={row.used} />,
      csv: (row) => row.used,
      numeric: true,
    },
    {
      key: "held",
      header: t("common:terms.held"),
      cell: (row) => <LimitAmount use={row} value={row.held} />,
      csv: (row) => row.held,
      numeric: true,
    },
    {
      key: "limit",
      header: t("common:limit"),
      cell: (row) => <LimitAmount use={row} value={row.limit} />,
      csv: (row) => row.limit,
      numeric: true,
    },
    {
      key: "left",
      header: t("common:left"),
      cell: (row) => <LimitAmount use={row} value={row.left} />,
      csv: (row) => row.left,
      numeric: true,
    },
    {
      key: "forecast",
      header: t("account:fullOn"),
      hint: t("account:fullOnHint"),
      cell: (row) => {
        const at = fullOn(row);
        return at ? <Time at={at} /> : <span className="tg-dim">–</span>;
      },
      csv: (row) => fullOn(row),
    },
    {
      key: "ends",
      header: t("common:windowEnds"),
      cell: (row) => <Time at={row.ends_at} />,
      csv: (row) => row.ends_at,
    },
  ];
  const shown = props.ownerId ? columns.filter((each) => each.key !== "owner") : columns;
  return (
    <DataTable
      id={props.ownerId ? "limits-of-one" : "limits"}
      caption={t("account:limitsCaption")}
      columns={shown}
      listing={listing}
      rowId={(row) => `${row.tenant_id}:${row.scope}:${row.owner_id}:${row.unit}:${row.period}`}
      rowLink={props.rowLink}
      plain={props.ownerId !== undefined}
      filters={props.filters}
      filtered={props.filtered}
      onClear={props.onClear}
      toolbar={props.toolbar}
      empty={{ text: props.empty ?? t("account:noLimits") }}
    />
  );
}
