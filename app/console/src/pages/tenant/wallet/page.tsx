import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, data, type Schema } from "~/api/client";
import { useListing, wholeListing } from "~/api/listing";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { FormModal } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Markdown } from "~/kit/LazyMarkdown";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { Time } from "~/kit/Time";
import { compareAmounts, count, date, isZero, money } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useMayHere, useMembers, useTenantId } from "~/parts/account";
import { type Balance, balancePoints, daysLeft, useBalance, useCredit } from "~/parts/balance";
import { address, site } from "~/site";
import { tenantWalletRoute } from "./routes";

type Movement = Schema["RecordedMovementView"];
type Grant = Schema["GrantView"];

const KINDS = ["granted", "redeemed", "lapsed", "adjusted"] as const;
const SOURCES = ["top_up", "redemption", "allowance", "adjustment", "refund"] as const;
/** A grant that ends sooner is told beside the balance. */
const SOON = 14 * 86_400_000;

export default function TenantWalletPage() {
  const { t } = useTranslation(["tenantWallet", "common"]);
  const [search, setSearch] = useUrl(tenantWalletRoute);
  const bar = useBar("30d");
  const tenantId = useTenantId();
  const may = useMayHere();
  const balance = useBalance(tenantId, { refetchInterval: bar.live ? 3000 : false });
  const flows = useCredit(tenantId, bar, may("report:read"));
  const points = balancePoints(flows.data);
  const actions = (
    <>
      {may("code:redeem") && (
        <Button
          variant="default"
          leftSection={<Icon name="ticket" />}
          onClick={() => setSearch({ redeem: true }, { push: true })}
        >
          {t("tenantWallet:redeem")}
        </Button>
      )}
      <Button leftSection={<Icon name="plus" />} onClick={() => setSearch({ top_up: true }, { push: true })}>
        {t("tenantWallet:topUp")}
      </Button>
    </>
  );
  return (
    <Page
      title={t("tenantWallet:title")}
      about={t("tenantWallet:about")}
      actions={actions}
      bar={{ range: true, live: true, otherwise: "30d" }}
      readAt={balance.dataUpdatedAt}
    >
      <Loaded query={balance}>
        {(wallet) => (
          <Figures wallet={wallet} spent={points.slice(-8, -1).map((each) => String(each.values.charged))} />
        )}
      </Loaded>
      {points.length > 0 && (
        <div className="tg-charts">
          <Chart
            title={t("tenantWallet:overTime")}
            unit={site.currency}
            kind="step"
            points={points}
            series={[{ key: "balance", label: t("common:terms.balance"), color: "var(--tg-series-0)" }]}
            format={(figure) => money(String(figure))}
          />
          <Chart
            title={t("tenantWallet:flows")}
            unit={site.currency}
            kind="bars"
            points={points}
            series={[
              { key: "inflow", label: t("tenantWallet:inflow"), color: "var(--tg-series-2)" },
              { key: "charged", label: t("tenantWallet:charged"), color: "var(--tg-series-1)" },
            ]}
            format={(figure) => money(String(figure))}
          />
        </div>
      )}
      {balance.data && <Grants wallet={balance.data} chosen={search.grant} />}
      <Movements />
      <Redeem opened={search.redeem ?? false} onClose={() => setSearch({ redeem: undefined })} />
      <Modal
        opened={search.top_up ?? false}
        onClose={() => setSearch({ top_up: undefined })}
        title={t("tenantWallet:topUp")}
      >
        <Stack>
          {site.top_up ? <Markdown text={site.top_up} /> : <Text size="sm">{t("tenantWallet:topUpAsk")}</Text>}
          {may("code:redeem") && (
            <Group justify="space-between">
              <Text size="sm" c="dimmed">
                {t("tenantWallet:haveCode")}
              </Text>
              <Button variant="default" size="xs" onClick={() => setSearch({ top_up: undefined, redeem: true })}>
                {t("tenantWallet:redeem")}
              </Button>
            </Group>
          )}
        </Stack>
      </Modal>
    </Page>
  );
}

function Figures(props: { wallet: Balance; spent: string[] }) {
  const { t } = useTranslation(["tenantWallet", "common"]);
  const { wallet } = props;
  const days = daysLeft(wallet.available, props.spent);
  const ending = wallet.grants
    .filter((each) => each.expires_at && Date.parse(each.expires_at) - Date.now() < SOON && !isZero(each.remaining))
    .sort((one, other) => Date.parse(one.expires_at ?? "") - Date.parse(other.expires_at ?? ""))[0];
  return (
    <Stats>
      <Stat
        label={t("common:terms.available")}
        hint={t("tenantWallet:availableHint")}
        value={<Money value={wallet.available} currency={wallet.currency} />}
        note={days !== null && t("tenantWallet:lasts", { count: Math.floor(days), text: count(Math.floor(days)) })}
      />
      <Stat
        label={t("common:terms.balance")}
        value={<Money value={wallet.balance} currency={wallet.currency} />}
        note={
          ending?.expires_at &&
          t("tenantWallet:ends", { amount: money(ending.remaining), date: date(ending.expires_at) })
        }
      />
      <Stat
        label={t("common:terms.held")}
        hint={t("tenantWallet:heldHint")}
        value={<Money value={wallet.held} currency={wallet.currency} />}
        note={t("tenantWallet:holds", { count: wallet.holds_open })}
      />
      {!isZero(wallet.owed) && (
        <Stat
          label={t("tenantWallet:owed")}
          hint={t("tenantWallet:owedHint")}
          value={<Money value={wallet.owed} currency={wallet.currency} />}
        />
      )}
      {!isZero(wallet.credit_limit) && (
        <Stat
          label={t("common:terms.creditLimit")}
          value={<Money value={wallet.credit_limit} currency={wallet.currency} />}
        />
      )}
    </Stats>
  );
}

function Grants(props: { wallet: Balance; chosen: string | undefined }) {
  const { t } = useTranslation(["tenantWallet", "common"]);
  const [, setSearch] = useUrl(tenantWalletRoute);
  const { wallet } = props;
  const columns: Column<Grant>[] = [
    {
      key: "kind",
      header: t("tenantWallet:kind"),
      cell: (row) =>
        t(`tenantWallet:grantKinds.${row.kind}` as "tenantWallet:grantKinds.paid", { defaultValue: row.kind }),
      csv: (row) => row.kind,
      fixed: true,
    },
    {
      key: "remaining",
      header: t("tenantWallet:remaining"),
      cell: (row) => <Money value={row.remaining} currency={wallet.currency} />,
      csv: (row) => row.remaining,
      numeric: true,
    },
    {
      key: "held",
      header: t("common:terms.held"),
      cell: (row) => <Money value={row.held} currency={wallet.currency} />,
      csv: (row) => row.held,
      numeric: true,
    },
    {
      key: "granted",
      header: t("tenantWallet:granted"),
      cell: (row) => <Time at={row.granted_at} form="date" />,
      csv: (row) => row.granted_at,
    },
    {
      key: "expires",
      header: t("tenantWallet:expires"),
      cell: (row) =>
        row.expires_at ? (
          <span className={Date.parse(row.expires_at) - Date.now() < SOON ? "tg-warn" : undefined}>
            <Time at={row.expires_at} />
          </span>
        ) : (
          <Time at={null} />
        ),
      csv: (row) => row.expires_at,
    },
  ];
  return (
    <Section title={t("tenantWallet:grants")} about={t("tenantWallet:grantsAbout")}>
      <DataTable
        id="grants"
        caption={t("tenantWallet:grants")}
        columns={columns}
        listing={wholeListing(wallet.grants)}
        rowId={(row) => row.id}
        openId={props.chosen}
        plain
        rowActions={(row) => (
          <Button
            variant="subtle"
            size="compact-xs"
            onClick={() => setSearch({ grant: props.chosen === row.id ? undefined : row.id })}
          >
            {t("tenantWallet:itsMovements")}
          </Button>
        )}
        empty={{ text: t("tenantWallet:noGrants") }}
      />
    </Section>
  );
}

function Movements() {
  const { t } = useTranslation(["tenantWallet", "common"]);
  const [search, setSearch] = useUrl(tenantWalletRoute);
  const tenantId = useTenantId();
  const { nameOf } = useMembers(tenantId);
  const filters = { kind: search.kind, source: search.source, grant_id: search.grant };
  const listing = useListing("/api/tenants/{tenant_id}/movements", {
    path: { tenant_id: tenantId },
    query: filters,
  });
  const who = (actor: string): string => {
    const [kind, id = ""] = actor.split(":");
    if (kind !== "user") return kind === "token" ? t("common:terms.key") : t("tenantWallet:system");
    const name = nameOf(id);
    return name === id ? t("tenantWallet:operator") : name;
  };
  const columns: Column<Movement>[] = [
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (row) => <Time at={row.at} form="full" />,
      csv: (row) => row.at,
      fixed: true,
    },
    {
      key: "kind",
      header: t("tenantWallet:what"),
      cell: (row) => (row.source ? t(`tenantWallet:sources.${row.source}`) : t(`tenantWallet:kinds.${row.kind}`)),
      csv: (row) => `${row.kind} ${row.source}`.trim(),
    },
    {
      key: "amount",
      header: t("common:terms.amount"),
      cell: (row) => (
        <span className={compareAmounts(row.amount, "0") < 0 ? "tg-minus" : "tg-plus"}>
          <Money value={row.amount} currency={row.currency} signed />
        </span>
      ),
      csv: (row) => row.amount,
      numeric: true,
    },
    {
      key: "balance",
      header: t("tenantWallet:after"),
      hint: t("tenantWallet:afterHint"),
      cell: (row) => <Money value={row.balance} currency={row.currency} />,
      csv: (row) => row.balance,
      numeric: true,
    },
    {
      key: "reference",
      header: t("tenantWallet:reference"),
      cell: (row) => row.reason || (row.source === "redemption" ? "" : row.reference),
      csv: (row) => `${row.reference} ${row.reason}`.trim(),
    },
    { key: "who", header: t("tenantWallet:by"), cell: (row) => who(row.actor), csv: (row) => row.actor, hidden: true },
  ];
  const fields: FilterField[] = [
    {
      key: "kind",
      kind: "choice",
      label: t("tenantWallet:what"),
      options: KINDS.map((each) => ({ value: each, label: t(`tenantWallet:kinds.${each}`) })),
    },
    {
      key: "source",
      kind: "choice",
      label: t("tenantWallet:source"),
      options: SOURCES.map((each) => ({ value: each, label: t(`tenantWallet:sources.${each}`) })),
    },
  ];
  const exported = new URLSearchParams();
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, value);
  return (
    <Section title={t("tenantWallet:movements")} about={t("tenantWallet:movementsAbout")}>
      <DataTable
        id="movements"
        caption={t("tenantWallet:movements")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.event_id}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={Object.values(filters).some((each) => each !== undefined)}
        onClear={() => setSearch({ kind: undefined, source: undefined, grant: undefined })}
        exportUrl={address(`api/tenants/${tenantId}/movements/export?${exported}`)}
        empty={{ title: t("tenantWallet:noMovements"), text: t("tenantWallet:noMovementsText") }}
      />
    </Section>
  );
}

function Redeem(props: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation(["tenantWallet", "common"]);
  const tenantId = useTenantId();
  const client = useQueryClient();
  return (
    <FormModal<{ code: string }>
      opened={props.opened}
      onClose={props.onClose}
      title={t("tenantWallet:redeem")}
      submit={t("tenantWallet:redeem")}
      initial={{ code: "" }}
      validate={{ code: (code) => (code.trim() ? null : t("tenantWallet:codeMissing")) }}
      done={t("tenantWallet:redeemed")}
      onSubmit={async ({ code }, call) => {
        await data(
          api.POST("/api/tenants/{tenant_id}/redeem", {
            params: { path: { tenant_id: tenantId }, header: { "Idempotency-Key": call.idempotencyKey } },
            body: { code: code.trim() },
          }),
        );
        for (const path of ["balance", "movements"])
          void client.invalidateQueries({ queryKey: ["get", `/api/tenants/{tenant_id}/${path}`] });
        void client.invalidateQueries({ queryKey: ["get", "/api/reports/credit"] });
      }}
    >
      {(form) => (
        <TextInput
          label={t("common:terms.code")}
          description={t("tenantWallet:codeHint")}
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          data-autofocus
          {...form.getInputProps("code")}
        />
      )}
    </FormModal>
  );
}
