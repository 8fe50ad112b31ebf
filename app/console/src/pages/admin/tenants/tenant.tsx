import { Button, Group, Paper, Stack, Table, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { api, data, ifMatch, queryClient, type Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { ActButton } from "~/kit/Act";
import { Chart } from "~/kit/Chart";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { FormDrawer } from "~/kit/Form";
import { History } from "~/kit/History";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { money } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { LimitLines } from "~/parts/Budgets";
import { balancePoints, balanceQuery, burnDown, daysLeft, useCredit } from "~/parts/balance";
import { LimitTable } from "~/parts/LimitTable";
import { MoveMoney } from "~/parts/MoveMoney";
import { groupedPoints, seriesOf, useUsage } from "~/parts/usage";
import { useMay } from "~/session/session";
import { changesOf, standing, TenantFields, useTenantRules, valuesOf } from "./form";
import { Keys, Looks, Members, Statements } from "./Parts";
import { adminTenantRoute } from "./routes";

type Tenant = Schema["TenantView"];

const TABS = ["overview", "members", "keys", "limits", "statements", "looks", "history"] as const;

export default function AdminTenantPage() {
  const tenantId = Number(adminTenantRoute.useParams().tenantId);
  const tenant = useQuery(tenantQuery(tenantId));
  const { t } = useTranslation("adminTenants");
  const name = tenant.data?.name ?? String(tenantId);
  return (
    <Page
      title={name}
      crumbs={[{ label: t("title"), to: { to: "/admin/tenants" } }]}
      bar={{ range: true, zone: true, otherwise: "30d" }}
      actions={tenant.data && <Actions tenant={tenant.data} />}
    >
      <Loaded query={tenant}>{(read) => <Tenant tenant={read} />}</Loaded>
    </Page>
  );
}

const tenantQuery = (tenantId: number) => ({
  queryKey: ["get", "/api/tenants/{tenant_id}", tenantId],
  queryFn: () => data(api.GET("/api/tenants/{tenant_id}", { params: { path: { tenant_id: tenantId } } })),
});

/** Read again what a change of the tenant is seen in. */
const reread = () =>
  queryClient.invalidateQueries({ predicate: ({ queryKey }) => /^\/api\/(tenants|limits)/.test(String(queryKey[1])) });

function Tenant({ tenant }: { tenant: Tenant }) {
  const { t } = useTranslation(["adminTenants", "common"]);
  const [search, setSearch] = useUrl(adminTenantRoute);
  const { tone, word } = standing(tenant);
  return (
    <>
      <Group gap="lg">
        <Status tone={tone}>{t(word)}</Status>
        <Id value={tenant.id} keep={16} />
        <Text size="sm" c="dimmed" component="span">
          {t("since")} <Time at={tenant.created_at} form="date" />
        </Text>
      </Group>
      <Tabs
        value={search.tab ?? "overview"}
        onChange={(tab) => setSearch({ tab: tab === "overview" ? undefined : (tab as typeof search.tab) })}
        keepMounted={false}
      >
        <Tabs.List>
          {TABS.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(`tabs.${each}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="overview" pt="md">
          <Overview tenant={tenant} />
        </Tabs.Panel>
        <Tabs.Panel value="members" pt="md">
          <Members tenantId={tenant.id} />
        </Tabs.Panel>
        <Tabs.Panel value="keys" pt="md">
          <Keys tenantId={tenant.id} />
        </Tabs.Panel>
        <Tabs.Panel value="limits" pt="md">
          <LimitTable tenantId={tenant.id} />
        </Tabs.Panel>
        <Tabs.Panel value="statements" pt="md">
          <Statements tenantId={tenant.id} />
        </Tabs.Panel>
        <Tabs.Panel value="looks" pt="md">
          <Looks tenantId={tenant.id} />
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History path="/api/tenants/{tenant_id}/history" params={{ tenant_id: tenant.id }} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function Overview({ tenant }: { tenant: Tenant }) {
  const { t } = useTranslation(["adminTenants", "common"]);
  const bar = useBar("30d");
  const balance = useQuery(balanceQuery(tenant.id));
  const usage = useUsage({
    tenant_id: tenant.id,
    from: bar.from,
    to: bar.to,
    zone: bar.zone,
    bucket: bar.bucket,
    by: "model_billed",
    top: 8,
  });
  const byModel = usage.data && groupedPoints(usage.data, "model_billed", (sums) => sums.charged, "0");
  const wallet = balance.data;
  const entries = { to: "/admin/wallets", search: { tenant: tenant.id } } as never;
  // A forecast needs days: of a shorter range the balance is shown as it was.
  const flows = useCredit(tenant.id, bar);
  const levels = balancePoints(flows.data);
  const spent = bar.bucket === "day" ? levels.slice(-8, -1).map((each) => String(each.values.charged)) : [];
  const lasting = wallet ? daysLeft(wallet.available, spent) : null;
  const facts: [string, ReactNode][] = [
    [t("group"), tenant.user_group],
    [t("zone"), tenant.time_zone],
    [t("disconnect"), t(tenant.disconnect)],
    [t("lowerOutput"), tenant.lower_output_limit ? t("yes") : t("no")],
    [t("limits"), <LimitLines key="limits" budgets={tenant.budgets} limits={tenant.limits} />],
  ];
  return (
    <Stack gap="lg">
      {balance.error && <Failure problem={balance.error} onRetry={() => void balance.refetch()} />}
      <Stats>
        <Stat
          label={t("balance")}
          loading={balance.isPending}
          value={<Money value={wallet?.balance} to={entries} />}
          note={
            wallet && (
              <>
                {t("owed")} <Money value={wallet.owed} />
              </>
            )
          }
        />
        <Stat
          label={t("available")}
          hint={t("availableHint")}
          loading={balance.isPending}
          value={<Money value={wallet?.available} />}
        />
        <Stat label={t("held")} loading={balance.isPending} value={<Money value={wallet?.held} />} />
        <Stat label={t("creditLimit")} hint={t("creditLimitHint")} value={<Money value={tenant.credit_limit} />} />
      </Stats>
      <div className="tg-charts">
        <Chart
          title={t("burnDown")}
          unit={flows.data?.currency ?? ""}
          kind="lines"
          loading={flows.isPending}
          points={burnDown(levels, lasting)}
          series={[
            { key: "balance", label: t("balance"), color: "var(--tg-series-0)" },
            ...(lasting === null ? [] : [{ key: "forecast", label: t("forecast"), color: "var(--tg-series-rest)" }]),
          ]}
          format={(figure) => money(String(figure))}
        />
        <Chart
          title={t("spendChart")}
          unit={usage.data?.currency ?? ""}
          kind="bars"
          stacked
          totals
          loading={usage.isPending}
          points={byModel?.points ?? []}
          series={seriesOf(byModel?.keys ?? [], (key) => (key === "(rest)" ? t("common:terms.rest") : key))}
          format={(figure) => money(String(figure))}
        />
      </div>
      {wallet && (
        <Section title={t("grants")}>
          <Grants grants={wallet.grants} />
        </Section>
      )}
      <Section title={t("settings")}>
        <Paper p="md">
          <Table className="tg-facts" withRowBorders={false}>
            <Table.Tbody>
              {facts.map(([label, value]) => (
                <Table.Tr key={label}>
                  <Table.Th scope="row">{label}</Table.Th>
                  <Table.Td>{value}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Paper>
      </Section>
    </Stack>
  );
}

type Grant = Schema["GrantView"];

function Grants({ grants }: { grants: Grant[] }) {
  const { t } = useTranslation("adminTenants");
  const columns: Column<Grant>[] = [
    {
      key: "kind",
      header: t("kind"),
      cell: (grant) => t(`kinds.${grant.kind}` as "kinds.paid", { defaultValue: grant.kind }),
    },
    { key: "remaining", header: t("remaining"), numeric: true, cell: (grant) => <Money value={grant.remaining} /> },
    { key: "held", header: t("held"), numeric: true, cell: (grant) => <Money value={grant.held} /> },
    { key: "granted", header: t("grantedAt"), cell: (grant) => <Time at={grant.granted_at} form="date" /> },
    { key: "expires", header: t("expiresAt"), cell: (grant) => <Time at={grant.expires_at} form="full" /> },
    { key: "id", header: t("id"), cell: (grant) => <Id value={grant.id} /> },
  ];
  return (
    <DataTable
      plain
      id="tenant-grants"
      caption={t("grants")}
      columns={columns}
      listing={wholeListing(grants)}
      rowId={(grant) => grant.id}
      empty={{ title: t("noGrants") }}
    />
  );
}

function Actions({ tenant }: { tenant: Tenant }) {
  const { t } = useTranslation(["adminTenants", "common"]);
  const may = useMay();
  const rules = useTenantRules();
  const [open, setOpen] = useState<"edit" | "topUp" | "suspend" | "archive" | null>(null);
  const close = () => setOpen(null);
  const balance = useQuery(balanceQuery(tenant.id)).data;
  const keys = useQuery({
    queryKey: ["get", "/api/tokens", tenant.id, "count"],
    queryFn: async () =>
      (await data(api.GET("/api/tokens", { params: { query: { tenant_id: tenant.id, revoked: false, limit: 500 } } })))
        .items.length,
    enabled: open === "suspend" || open === "archive",
  });
  const path = { tenant_id: tenant.id };
  const reload = () => data(api.GET("/api/tenants/{tenant_id}", { params: { path } }));
  const change = async (body: Schema["TenantChange"], version: string) => {
    await api.PATCH("/api/tenants/{tenant_id}", { params: { path, header: { "If-Match": version } }, body });
    await reread();
  };
  if (tenant.archived)
    return may("tenant:create") ? (
      <ActButton
        variant="default"
        onAct={async () => {
          const header = { "If-Match": ifMatch(tenant) };
          const params = { path: { entity_id: String(tenant.id) }, header };
          await api.POST("/api/tenants/{entity_id}/restore", { params: params as never, body: {} });
          await reread();
        }}
      >
        {t("common:restore")}
      </ActButton>
    ) : null;
  return (
    <>
      <Button
        component={Link}
        variant="default"
        leftSection={<Icon name="external" />}
        {...({ to: "/t/$tenantId", params: { tenantId: String(tenant.id) } } as object)}
      >
        {t("openConsole")}
      </Button>
      {may("tenant:govern") &&
        (tenant.suspended ? (
          <ActButton variant="default" onAct={() => change({ suspended: false }, ifMatch(tenant))}>
            {t("resume")}
          </ActButton>
        ) : (
          <Button variant="default" onClick={() => setOpen("suspend")}>
            {t("suspend")}
          </Button>
        ))}
      {may("tenant:create") && (
        <Button variant="default" onClick={() => setOpen("archive")}>
          {t("archive")}
        </Button>
      )}
      {may("tenant:govern") && (
        <Button variant="default" leftSection={<Icon name="edit" />} onClick={() => setOpen("edit")}>
          {t("edit")}
        </Button>
      )}
      {may("credit:grant") && (
        <Button leftSection={<Icon name="plus" />} onClick={() => setOpen("topUp")}>
          {t("topUp")}
        </Button>
      )}
      <FormDrawer
        opened={open === "edit"}
        onClose={close}
        title={t("editTitle", { name: tenant.name })}
        initial={valuesOf(tenant)}
        validate={rules}
        entity={tenant}
        reload={reload}
        valuesOf={valuesOf as never}
        reason
        onSubmit={(values, call) =>
          change({ ...changesOf(valuesOf(tenant), values), reason: call.reason }, call.ifMatch)
        }
      >
        {(form) => <TenantFields form={form} />}
      </FormDrawer>
      <MoveMoney act={open === "topUp" ? "top_up" : undefined} tenant={tenant.id} request="" onClose={close} />
      <ConfirmDanger
        opened={open === "suspend"}
        onClose={close}
        title={t("suspendTitle", { name: tenant.name })}
        effect={keys.data === undefined ? t("common:loading") : t("suspendEffect", { count: keys.data })}
        word={tenant.name}
        submit={t("suspend")}
        entity={tenant}
        reload={reload}
        done={t("suspendedDone")}
        onConfirm={(call) => change({ suspended: true, reason: call.reason }, call.ifMatch)}
      />
      <ConfirmDanger
        opened={open === "archive"}
        onClose={close}
        title={t("archiveTitle", { name: tenant.name })}
        effect={
          keys.data === undefined || !balance
            ? t("common:loading")
            : t("archiveEffect", { count: keys.data, balance: money(balance.balance) })
        }
        word={tenant.name}
        submit={t("archive")}
        entity={tenant}
        reload={reload}
        done={t("archivedDone")}
        onConfirm={async (call) => {
          const params = { path, header: { "If-Match": call.ifMatch }, query: { reason: call.reason } };
          await api.DELETE("/api/tenants/{tenant_id}", { params });
          await reread();
        }}
      />
    </>
  );
}
