import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { FormModal } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Markdown } from "~/kit/LazyMarkdown";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Page } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { count, date, isZero, money } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useMayHere, useMembers, useTenantId } from "~/parts/account";
import { type Balance, balancePoints, daysLeft, followMovement, useBalance, useCredit } from "~/parts/balance";
import { GrantTable, MovementTable, SOON } from "~/parts/WalletTables";
import { site } from "~/site";
import { tenantWalletRoute } from "./routes";

export default function TenantWalletPage() {
  const { t } = useTranslation(["tenantWallet", "common"]);
  const [search, setSearch] = useUrl(tenantWalletRoute);
  const bar = useBar("30d");
  const tenantId = useTenantId();
  const may = useMayHere();
  const balance = useBalance(tenantId, { refetchInterval: bar.live ? 3000 : false });
  const flows = useCredit(tenantId, bar, may("report:read"));
  const points = balancePoints(flows.data);
  const { nameOf } = useMembers(tenantId);
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
      {balance.data && (
        <GrantTable wallet={balance.data} chosen={search.grant} onChoose={(grant) => setSearch({ grant })} />
      )}
      <MovementTable tenantId={tenantId} search={search} setSearch={setSearch} nameOf={nameOf} />
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
        const moved = await data(
          api.POST("/api/tenants/{tenant_id}/redeem", {
            params: { path: { tenant_id: tenantId }, header: { "Idempotency-Key": call.idempotencyKey } },
            body: { code: code.trim() },
          }),
        );
        void client.invalidateQueries({ queryKey: ["get", "/api/tenants/{tenant_id}/balance"] });
        void followMovement(tenantId, moved.event_id);
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
