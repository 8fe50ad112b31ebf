import { Button, Group, Menu, Text, TextInput } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, data, type Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { Time, useZone } from "~/kit/Time";
import { compareAmounts, count, isNegative, isZero, money, negateAmount } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { instantOf, wallTime } from "~/lib/wallTime";
import { type Balance, useBalance } from "~/parts/balance";
import { creditPoints, creditSum, creditWays, type Way } from "~/parts/credit";
import { MoveMoney } from "~/parts/MoveMoney";
import { TenantChoice, useTenantDirectory } from "~/parts/tenants";
import { GrantTable, MovementTable } from "~/parts/WalletTables";
import { useMay, useMe } from "~/session/session";
import { address, site } from "~/site";
import { AllMovements } from "./AllMovements";
import { Ending } from "./Ending";
import { adminWalletsRoute } from "./routes";

type Wallet = Schema["WalletView"];
type Hold = Schema["HoldView"];
type Flows = Schema["CreditFlows"];

/** The most wallets that the API gives at once; the file has all. */
const WALLETS_MAX = 500;

export default function AdminWalletsPage() {
  const { t } = useTranslation(["adminWallets", "common"]);
  const [search, setSearch] = useUrl(adminWalletsRoute);
  const may = useMay();
  const { nameOf } = useTenantDirectory();
  const bar = useBar("30d");
  const tenant = search.tenant ?? null;
  const span = { tenant_id: search.tenant, from: bar.from, to: bar.to, zone: bar.zone, bucket: bar.bucket };
  const flows = useQuery({
    queryKey: ["get", "/api/reports/credit", span],
    queryFn: () => data(api.GET("/api/reports/credit", { params: { query: span } })),
    placeholderData: keepPreviousData,
    refetchInterval: bar.live ? 5000 : false,
  });
  const open = (act: NonNullable<typeof search.act>) => setSearch({ act }, { push: true });
  const actions = (
    <>
      {may("credit:adjust") && (
        <Menu position="bottom-end">
          <Menu.Target>
            <Button variant="default" rightSection={<Icon name="chevron" size={14} />}>
              {t("adminWallets:otherMoves")}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => open("grant")} disabled={!may("credit:grant")}>
              {t("adminWallets:acts.grant")}
            </Menu.Item>
            <Menu.Item onClick={() => open("refund")}>{t("adminWallets:acts.refund")}</Menu.Item>
            <Menu.Item onClick={() => open("adjust")}>{t("adminWallets:acts.adjust")}</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
      {may("credit:grant") && (
        <Button leftSection={<Icon name="plus" />} onClick={() => open("top_up")}>
          {t("adminWallets:acts.top_up")}
        </Button>
      )}
    </>
  );
  return (
    <Page
      title={t("adminWallets:title")}
      about={t("adminWallets:about")}
      actions={actions}
      bar={{ range: true, live: true, otherwise: "30d" }}
    >
      <Group gap="sm">
        <TenantChoice
          size="xs"
          width={240}
          placeholder={t("adminWallets:allTenants")}
          value={tenant}
          onChange={(next) =>
            setSearch({ tenant: next ?? undefined, grant: undefined, kind: undefined, source: undefined })
          }
        />
        {tenant !== null && (
          <Link to="/t/$tenantId/wallet" params={{ tenantId: String(tenant) }} className="tg-link">
            {t("adminWallets:asTenant", { name: nameOf(tenant) })}
          </Link>
        )}
      </Group>
      {tenant === null ? <Everybody flows={flows.data} /> : <OneFigures tenant={tenant} />}
      <Charts flows={flows.data} loading={flows.isPending} one={tenant !== null} />
      {tenant === null ? (
        <>
          <Ways flows={flows.data} />
          <Wallets />
          {may("balance:read") && <Ending />}
          {may("balance:read") && <AllMovements />}
        </>
      ) : (
        <OneTables tenant={tenant} />
      )}
      <MoveMoney
        act={search.act}
        tenant={tenant}
        request={search.request ?? ""}
        onClose={() => setSearch({ act: undefined, request: undefined })}
      />
    </Page>
  );
}

/** The balances of all, now or as of the moment in the URL. */
function useBalances(at?: string) {
  const query = { at, limit: WALLETS_MAX };
  return useQuery({
    queryKey: ["get", "/api/reports/balances", query],
    queryFn: () => data(api.GET("/api/reports/balances", { params: { query } })),
    placeholderData: keepPreviousData,
  });
}

function Everybody(props: { flows: Flows | undefined }) {
  const { t } = useTranslation("adminWallets");
  const [search] = useUrl(adminWalletsRoute);
  const balances = useBalances(search.at);
  const { flows } = props;
  return (
    <Loaded query={balances} rows={2}>
      {(found) => (
        <Stats>
          <Stat
            label={t("figures.unspent")}
            hint={t("figures.unspentHint")}
            value={<Money value={found.unspent} currency={found.currency} />}
            note={t("figures.wallets", { count: found.tenants })}
          />
          <Stat
            label={t("figures.owed")}
            hint={t("figures.owedHint")}
            value={<Money value={found.owed} currency={found.currency} />}
          />
          <Stat
            label={t("figures.inflow")}
            hint={t("figures.inflowHint")}
            loading={!flows}
            value={<Money value={creditSum(flows, "inflow")} />}
            note={t("figures.inRange")}
          />
          <Stat
            label={t("figures.charged")}
            loading={!flows}
            value={<Money value={creditSum(flows, "charged")} />}
            note={t("figures.inRange")}
          />
        </Stats>
      )}
    </Loaded>
  );
}

function Charts(props: { flows: Flows | undefined; loading: boolean; one: boolean }) {
  const { t } = useTranslation("adminWallets");
  const points = creditPoints(props.flows);
  const shared = {
    unit: site.currency,
    points,
    loading: props.loading,
    format: (figure: number | string) => money(String(figure)),
  };
  return (
    <div className="tg-charts">
      <Chart
        title={t("charts.flows")}
        kind="bars"
        series={[
          { key: "inflow", label: t("charts.inflow"), color: "var(--tg-series-2)" },
          { key: "outflow", label: t("charts.outflow"), color: "var(--tg-series-1)" },
        ]}
        {...shared}
      />
      <Chart
        title={props.one ? t("charts.balance") : t("charts.liability")}
        kind="step"
        series={[
          { key: "unspent", label: t("charts.unspent"), color: "var(--tg-series-0)" },
          { key: "owed", label: t("charts.owed"), color: "var(--tg-series-3)" },
        ]}
        {...shared}
      />
    </div>
  );
}

function Ways(props: { flows: Flows | undefined }) {
  const { t } = useTranslation(["adminWallets", "common"]);
  const ways = creditWays(props.flows);
  const columns: Column<Way>[] = [
    {
      key: "way",
      header: t("adminWallets:ways.way"),
      cell: (row) => t(`adminWallets:ways.${row.key}` as "adminWallets:ways.top_up", { defaultValue: row.key }),
      csv: (row) => row.key,
      fixed: true,
    },
    {
      key: "amount",
      header: t("common:terms.amount"),
      cell: (row) => (
        <span className={isNegative(row.amount) ? "tg-minus" : "tg-plus"}>
          <Money value={row.amount} signed />
        </span>
      ),
      csv: (row) => row.amount,
      numeric: true,
    },
  ];
  return (
    <Section title={t("adminWallets:ways.title")} about={t("adminWallets:ways.about")}>
      <DataTable
        id="credit-ways"
        caption={t("adminWallets:ways.title")}
        columns={columns}
        listing={wholeListing(ways, { isPending: props.flows === undefined })}
        rowId={(row) => row.key}
        plain
        empty={{ title: t("adminWallets:ways.none") }}
      />
    </Section>
  );
}

function Wallets() {
  const { t } = useTranslation(["adminWallets", "common"]);
  const [search, setSearch] = useUrl(adminWalletsRoute);
  const zone = useZone();
  const balances = useBalances(search.at);
  const { nameOf, tenants } = useTenantDirectory();
  const found = balances.data;
  const columns: Column<Wallet>[] = [
    {
      key: "tenant",
      header: t("common:terms.tenant"),
      cell: (row) => nameOf(row.tenant_id),
      csv: (row) => nameOf(row.tenant_id),
      fixed: true,
    },
    {
      key: "id",
      header: t("adminWallets:wallets.number"),
      cell: (row) => <Id value={row.tenant_id} />,
      csv: (row) => row.tenant_id,
    },
    {
      key: "group",
      header: t("common:terms.group"),
      cell: (row) => tenants.find((each) => each.id === row.tenant_id)?.user_group ?? "–",
      csv: (row) => tenants.find((each) => each.id === row.tenant_id)?.user_group,
      hidden: true,
    },
    {
      key: "balance",
      header: t("common:terms.balance"),
      cell: (row) => <Money value={isNegative(row.balance) ? "0" : row.balance} currency={found?.currency} />,
      csv: (row) => row.balance,
      numeric: true,
    },
    {
      key: "held",
      header: t("common:terms.held"),
      cell: (row) => <Money value={row.held} currency={found?.currency} />,
      csv: (row) => row.held,
      numeric: true,
    },
    {
      key: "owed",
      header: t("adminWallets:figures.owed"),
      cell: (row) => (
        <Money value={isNegative(row.balance) ? negateAmount(row.balance) : "0"} currency={found?.currency} />
      ),
      csv: (row) => (isNegative(row.balance) ? negateAmount(row.balance) : "0"),
      numeric: true,
    },
  ];
  const exported = new URLSearchParams(search.at ? { at: search.at } : {});
  return (
    <Section
      title={t("adminWallets:wallets.title")}
      about={
        found && found.tenants > found.wallets.length
          ? t("adminWallets:wallets.largest", { shown: count(found.wallets.length), all: count(found.tenants) })
          : t("adminWallets:wallets.about")
      }
    >
      <DataTable
        id="wallets"
        caption={t("adminWallets:wallets.title")}
        columns={columns}
        listing={wholeListing(found ? [...found.wallets] : undefined, balances)}
        rowId={(row) => String(row.tenant_id)}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, tenant: row.tenant_id })) as never })}
        exportUrl={address(`api/reports/balances/export?${exported}`)}
        filters={
          <Group gap="xs">
            <Text size="sm" component="label" htmlFor="wallets-at">
              {t("adminWallets:wallets.at")}
            </Text>
            <TextInput
              id="wallets-at"
              type="datetime-local"
              size="xs"
              key={search.at ?? "now"}
              defaultValue={search.at ? wallTime(search.at, zone) : ""}
              onChange={(event) => {
                const typed = event.currentTarget.value;
                if (typed) setSearch({ at: instantOf(typed, zone) });
              }}
            />
            {search.at && (
              <Button size="xs" variant="subtle" onClick={() => setSearch({ at: undefined })}>
                {t("adminWallets:wallets.now")}
              </Button>
            )}
          </Group>
        }
        empty={{ title: t("adminWallets:wallets.none"), text: t("adminWallets:wallets.noneText") }}
      />
    </Section>
  );
}

function OneFigures(props: { tenant: number }) {
  const { t } = useTranslation(["adminWallets", "common"]);
  const bar = useBar("30d");
  const balance = useBalance(props.tenant, { refetchInterval: bar.live ? 3000 : false });
  return (
    <Loaded query={balance} rows={2}>
      {(wallet) => (
        <Stats>
          <Stat
            label={t("common:terms.available")}
            hint={t("adminWallets:figures.availableHint")}
            value={<Money value={wallet.available} currency={wallet.currency} />}
          />
          <Stat
            label={t("common:terms.balance")}
            value={<Money value={wallet.balance} currency={wallet.currency} />}
            note={t("adminWallets:figures.grants", { count: wallet.grants.length })}
          />
          <Stat
            label={t("common:terms.held")}
            value={<Money value={wallet.held} currency={wallet.currency} />}
            note={t("adminWallets:figures.holds", { count: wallet.holds_open })}
          />
          {compareAmounts(wallet.owed, "0") > 0 && (
            <Stat
              label={t("adminWallets:figures.owed")}
              value={<Money value={wallet.owed} currency={wallet.currency} />}
            />
          )}
          <Stat
            label={t("common:terms.creditLimit")}
            hint={t("adminWallets:figures.creditHint")}
            value={
              isZero(wallet.credit_limit) ? (
                t("common:none")
              ) : (
                <Money value={wallet.credit_limit} currency={wallet.currency} />
              )
            }
          />
        </Stats>
      )}
    </Loaded>
  );
}

function OneTables(props: { tenant: number }) {
  const { tenant } = props;
  const [search, setSearch] = useUrl(adminWalletsRoute);
  const me = useMe();
  const may = useMay();
  const people = useQuery({
    queryKey: ["get", "/api/users", "names"],
    queryFn: async () => (await data(api.GET("/api/users", { params: { query: { limit: 500 } } }))).items,
    enabled: may("user:read"),
    staleTime: 60_000,
  }).data;
  const nameOf = (id: string) => {
    const person = id === me.user.id ? me.user : people?.find((each) => each.id === id);
    return person?.name || person?.login || id;
  };
  const balance = useBalance(tenant);
  return (
    <>
      {balance.data && (
        <GrantTable wallet={balance.data} chosen={search.grant} onChoose={(grant) => setSearch({ grant })} />
      )}
      {balance.data && balance.data.holds_open > 0 && <Holds wallet={balance.data} />}
      <MovementTable tenantId={tenant} search={search} setSearch={setSearch} nameOf={nameOf} />
    </>
  );
}

function Holds(props: { wallet: Balance }) {
  const { t } = useTranslation(["adminWallets", "common"]);
  const { wallet } = props;
  const columns: Column<Hold>[] = [
    {
      key: "request",
      header: t("common:terms.request"),
      cell: (row) => (
        <Link to="/admin/requests/$requestId" params={{ requestId: row.request_id }} className="tg-link">
          <code className="tg-mono">{row.request_id}</code>
        </Link>
      ),
      fixed: true,
    },
    { key: "model", header: t("common:terms.model"), cell: (row) => row.model },
    {
      key: "held",
      header: t("common:terms.held"),
      cell: (row) => <Money value={row.held} currency={wallet.currency} />,
      numeric: true,
    },
    {
      key: "expires",
      header: t("adminWallets:holds.expires"),
      cell: (row) => <Time at={row.expires_at} />,
    },
  ];
  return (
    <Section title={t("adminWallets:holds.title")} about={t("adminWallets:holds.about")}>
      <DataTable
        id="holds"
        caption={t("adminWallets:holds.title")}
        columns={columns}
        listing={wholeListing([...wallet.holds])}
        rowId={(row) => row.request_id}
        plain
      />
    </Section>
  );
}
