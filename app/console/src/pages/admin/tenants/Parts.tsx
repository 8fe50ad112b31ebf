import { Anchor, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, data, type Schema } from "~/api/client";
import { useListing, wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Id } from "~/kit/Id";
import { Money } from "~/kit/Money";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { listed } from "~/lib/format";
import { LimitLines } from "~/parts/Budgets";
import { address } from "~/site";

type Member = Schema["MemberView"];
type Token = Schema["TokenView"];
type Statement = Schema["StatementLine"];
type Look = Schema["LookView"];

/** The people of a tenant. */
export function Members(props: { tenantId: number }) {
  const { t } = useTranslation(["adminTenants", "common"]);
  const listing = useListing("/api/tenants/{tenant_id}/members", { path: { tenant_id: props.tenantId }, query: {} });
  const columns: Column<Member>[] = [
    {
      key: "name",
      header: t("common:name"),
      cell: (row) => (
        <Link to="/admin/users" search={{ row: row.user_id } as never} className="tg-link">
          {row.name || row.login}
        </Link>
      ),
      csv: (row) => row.name,
      fixed: true,
    },
    { key: "login", header: t("adminTenants:parts.login"), cell: (row) => row.login, csv: (row) => row.login },
    {
      key: "role",
      header: t("adminTenants:parts.role"),
      cell: (row) => t(`common:roles.${row.role}`),
      csv: (row) => row.role,
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => (
        <Status tone={row.disabled ? "bad" : "good"}>
          {row.disabled ? t("common:disabled") : t("common:enabled")}
        </Status>
      ),
      csv: (row) => (row.disabled ? "disabled" : "enabled"),
    },
    {
      key: "budgets",
      header: t("adminTenants:limits"),
      cell: (row) => <LimitLines budgets={row.budgets} />,
    },
  ];
  return (
    <DataTable
      id="tenant-members"
      caption={t("adminTenants:tabs.members")}
      columns={columns}
      listing={listing}
      rowId={(row) => row.user_id}
      empty={{ title: t("adminTenants:parts.noMembers"), text: t("adminTenants:parts.noMembersText") }}
    />
  );
}

/** The API keys of a tenant, revoked ones too. */
export function Keys(props: { tenantId: number }) {
  const { t } = useTranslation(["adminTenants", "common"]);
  const listing = useListing("/api/tokens", { query: { tenant_id: props.tenantId } });
  const stateOf = (row: Token) =>
    row.revoked
      ? ({ tone: "bad", word: t("adminTenants:parts.revoked") } as const)
      : row.expires_at && Date.parse(row.expires_at) <= Date.now()
        ? ({ tone: "quiet", word: t("adminTenants:parts.expired") } as const)
        : ({ tone: "good", word: t("adminTenants:parts.works") } as const);
  const columns: Column<Token>[] = [
    { key: "name", header: t("common:name"), cell: (row) => row.name, csv: (row) => row.name, fixed: true },
    {
      key: "hint",
      header: t("common:terms.key"),
      cell: (row) => <code className="tg-mono">{row.hint}</code>,
      csv: (row) => row.hint,
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <Status tone={stateOf(row).tone}>{stateOf(row).word}</Status>,
      csv: (row) => stateOf(row).word,
    },
    {
      key: "models",
      header: t("adminTenants:parts.models"),
      cell: (row) => (row.models ? listed([...row.models]) : t("common:all")),
      csv: (row) => row.models?.join(" "),
    },
    {
      key: "limits",
      header: t("adminTenants:limits"),
      cell: (row) => <LimitLines budgets={row.budgets} limits={row.limits} />,
    },
    {
      key: "expires",
      header: t("adminTenants:expiresAt"),
      cell: (row) => <Time at={row.expires_at} form="date" />,
      csv: (row) => row.expires_at,
    },
    {
      key: "created",
      header: t("common:terms.created"),
      cell: (row) => <Time at={row.created_at} form="date" />,
      csv: (row) => row.created_at,
      hidden: true,
    },
  ];
  return (
    <DataTable
      id="tenant-keys"
      caption={t("adminTenants:tabs.keys")}
      columns={columns}
      listing={listing}
      rowId={(row) => row.id}
      exportUrl={address(`api/tokens/export?tenant_id=${props.tenantId}`)}
      toolbar={
        <Anchor
          component={Link}
          size="sm"
          {...({ to: "/t/$tenantId/keys", params: { tenantId: String(props.tenantId) } } as object)}
        >
          {t("adminTenants:parts.manageKeys")}
        </Anchor>
      }
      empty={{ title: t("adminTenants:parts.noKeys"), text: t("adminTenants:parts.noKeysText") }}
    />
  );
}

/** The closed statements of a tenant. */
export function Statements(props: { tenantId: number }) {
  const { t } = useTranslation(["adminTenants", "common"]);
  const path = { tenant_id: props.tenantId };
  const statements = useQuery({
    queryKey: ["get", "/api/tenants/{tenant_id}/statements", props.tenantId, "all"],
    queryFn: () => data(api.GET("/api/tenants/{tenant_id}/statements", { params: { path, query: { limit: 500 } } })),
  });
  const columns: Column<Statement>[] = [
    {
      key: "period",
      header: t("adminTenants:parts.period"),
      cell: (row) => row.period,
      csv: (row) => row.period,
      fixed: true,
    },
    {
      key: "closing",
      header: t("adminTenants:parts.closing"),
      cell: (row) => <Money value={row.closing} />,
      csv: (row) => row.closing,
      numeric: true,
    },
    {
      key: "closed",
      header: t("adminTenants:parts.closed"),
      cell: (row) => <Time at={row.closed_at} form="full" />,
      csv: (row) => row.closed_at,
    },
    { key: "sha256", header: t("adminTenants:parts.fingerprint"), cell: (row) => <Id value={row.sha256} /> },
  ];
  const file = (period: string) => address(`api/tenants/${props.tenantId}/statements/${period}/export`);
  return (
    <DataTable
      id="tenant-statements"
      caption={t("adminTenants:tabs.statements")}
      columns={columns}
      listing={wholeListing(statements.data && [...statements.data.items], statements)}
      rowId={(row) => row.period}
      rowActions={(row) => (
        <Anchor href={file(row.period)} download size="sm">
          {t("common:download")}
        </Anchor>
      )}
      empty={{ title: t("adminTenants:parts.noStatements"), text: t("adminTenants:parts.noStatementsText") }}
    />
  );
}

/** Which of the operator's people looked at the tenant's data: the tenant sees the same. */
export function Looks(props: { tenantId: number }) {
  const { t } = useTranslation(["adminTenants", "common"]);
  const listing = useListing("/api/tenants/{tenant_id}/looks", { path: { tenant_id: props.tenantId }, query: {} });
  const columns: Column<Look>[] = [
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (row) => <Time at={row.at} form="full" />,
      csv: (row) => row.at,
      fixed: true,
    },
    {
      key: "who",
      header: t("common:terms.user"),
      cell: (row) => (
        <Group gap="xs">
          <Link to="/admin/users" search={{ row: row.user_id } as never} className="tg-link">
            {row.login}
          </Link>
          <span className="tg-dim">
            {t(`common:roles.${row.role}` as "common:roles.root", { defaultValue: row.role })}
          </span>
        </Group>
      ),
      csv: (row) => row.login,
    },
    {
      key: "operation",
      header: t("adminTenants:parts.read"),
      cell: (row) => <code className="tg-mono">{row.operation}</code>,
      csv: (row) => row.operation,
    },
  ];
  return (
    <DataTable
      id="tenant-looks"
      caption={t("adminTenants:tabs.looks")}
      columns={columns}
      listing={listing}
      rowId={(row) => row.event_id}
      empty={{ title: t("adminTenants:parts.noLooks"), text: t("adminTenants:parts.noLooksText") }}
    />
  );
}
