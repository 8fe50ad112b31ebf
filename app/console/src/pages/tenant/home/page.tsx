import { Button, Group, List, Paper, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import { useMemo } from "react";
import type { RowOf } from "~/api/listing";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Icon } from "~/kit/Icon";
import { Markdown } from "~/kit/LazyMarkdown";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Snippets } from "~/kit/SecretOnce";
import { SidePanel } from "~/kit/SidePanel";
import { Stat, Stats } from "~/kit/Stat";
import { Time } from "~/kit/Time";
import { addAmounts, count, date, isZero, money, percent, plotted } from "~/lib/format";
import { thisMinute, useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useIsMember, useKeys, useMayHere, useMembers, useModelNames, useTenantId } from "~/parts/account";
import { balancePoints, burnDown, daysLeft, useBalance, useCredit } from "~/parts/balance";
import { Change } from "~/parts/Change";
import { Receipt, RequestState } from "~/parts/Receipt";
import { groupedPoints, measuredPoints, seriesOf, totals, useUsage } from "~/parts/usage";
import { useMe } from "~/session/session";
import { site } from "~/site";
import { questions, RANGE } from "./questions";
import { tenantHomeRoute } from "./routes";

type Row = RowOf<"/api/reports/requests">;
const DAY = 86_400_000;

export default function TenantHomePage() {
  const { t } = useTranslation(["tenantHome", "common", "account"]);
  const [search, setSearch] = useUrl(tenantHomeRoute);
  const bar = useBar(RANGE);
  const tenantId = useTenantId();
  const me = useMe();
  const may = useMayHere();
  const isMember = useIsMember();
  const params = { tenantId: String(tenantId) };
  const keys = useKeys(tenantId);
  const members = useMembers(tenantId);
  const balance = useBalance(tenantId, { refetchInterval: bar.live ? 3000 : 30_000 });
  const minute = useMemo(() => thisMinute(), []);
  const asked = questions(tenantId, bar, minute);
  const flows = useCredit(tenantId, asked.credit, may("report:read"));
  const usage = useUsage(asked.usage, { refetchInterval: bar.live ? 5000 : false });
  const daily = useUsage(asked.daily);
  const recent = useListing("/api/reports/requests", {
    ...asked.recent,
    refetchInterval: bar.live ? 3000 : 10_000,
  });

  const days = daily.data ? measuredPoints(daily.data, { charged: (each) => each.charged }, "0") : [];
  const today = String(days[days.length - 1]?.values.charged ?? "0");
  const before = days.slice(0, -1).map((each) => String(each.values.charged));
  const busy = before.filter((each) => !isZero(each));
  const typical = busy.length ? addAmounts(...busy.slice(-14)) : null;
  const lasting = balance.data ? daysLeft(balance.data.available, before.slice(-7)) : null;
  const grouped = usage.data
    ? groupedPoints(usage.data, "model_billed", (sums) => sums.charged, "0")
    : { points: [], keys: [] };
  const requests = usage.data
    ? measuredPoints(usage.data, {
        answered: (each) => each.requests,
        failed: (each) => each.voids + each.expired,
        refused: (each) => each.refusals,
      })
    : [];
  const sums = totals(usage.data);
  const attempts = sums.requests + sums.failures;
  const hasCalled = !recent.loading && recent.rows.some((row) => row.state === "captured");
  const hasNothing = !recent.loading && !hasCalled;
  const columns = useColumns(keys.nameOf);
  const open = recent.rows.find((row) => row.id === search.row);

  return (
    <Page
      title={t("tenantHome:title")}
      about={t("tenantHome:hello", { name: me.user.name || me.user.login })}
      bar={{ range: true, live: true, otherwise: RANGE }}
      readAt={balance.dataUpdatedAt}
      actions={
        <>
          {isMember && may("own_token:write") && (
            <Button
              variant="default"
              component={Link}
              {...({ to: "/t/$tenantId/playground", params } as LinkProps as object)}
              leftSection={<Icon name="spark" />}
            >
              {t("tenantHome:tryModel")}
            </Button>
          )}
          {may("own_token:write") && (
            <Button
              component={Link}
              {...({ to: "/t/$tenantId/keys", params, search: { new: true } } as object)}
              leftSection={<Icon name="plus" />}
            >
              {t("tenantHome:createKey")}
            </Button>
          )}
        </>
      }
    >
      {site.notice && (
        <Paper p="md">
          <Markdown text={site.notice} />
        </Paper>
      )}
      {hasNothing && (
        <SetUp
          hasCredit={balance.data ? !isZero(balance.data.available) : false}
          hasKey={keys.keys.some((each) => !each.revoked && !each.archived)}
        />
      )}
      <Stats>
        <Stat
          label={t("common:terms.available")}
          value={
            <Money
              value={balance.data?.available}
              currency={balance.data?.currency}
              to={{ to: "/t/$tenantId/wallet", params } as LinkProps}
            />
          }
          note={
            lasting !== null
              ? t("tenantHome:lasts", { date: date(new Date(Date.now() + lasting * DAY)) })
              : balance.data && !isZero(balance.data.held)
                ? t("tenantHome:held", { amount: money(balance.data.held) })
                : undefined
          }
          loading={balance.isPending}
        />
        <Stat
          label={t("tenantHome:today")}
          value={
            <Money value={today} to={{ to: "/t/$tenantId/usage", params, search: { range: "24h" } } as LinkProps} />
          }
          note={
            typical && <Change now={today} before={plainMean(typical, Math.min(14, busy.length))} against="typical" />
          }
          loading={daily.isPending}
        />
        <Stat
          label={t("common:terms.requests")}
          value={count(sums.requests)}
          note={t("tenantHome:inRange")}
          loading={usage.isPending}
        />
        <Stat
          label={t("common:terms.errors")}
          value={attempts ? percent(sums.failures / attempts) : "–"}
          note={sums.refusals ? t("tenantHome:refused", { count: sums.refusals }) : t("tenantHome:noRefusals")}
          loading={usage.isPending}
        />
      </Stats>
      {!hasNothing && (
        <div className="tg-charts">
          <Chart
            title={t("tenantHome:spend")}
            unit={site.currency}
            kind="bars"
            stacked
            points={grouped.points}
            series={seriesOf(grouped.keys, (key) => (key === "(rest)" ? t("common:terms.rest") : key))}
            format={(figure) => money(String(figure))}
            totals
          />
          {may("report:read") && (
            <Chart
              title={t("tenantHome:balance")}
              unit={site.currency}
              kind="lines"
              points={burnDown(balancePoints(flows.data), lasting)}
              series={[
                { key: "balance", label: t("common:terms.balance"), color: "var(--tg-series-0)" },
                ...(lasting === null
                  ? []
                  : [{ key: "forecast", label: t("tenantHome:forecast"), color: "var(--tg-series-rest)" }]),
              ]}
              format={(figure) => money(String(figure))}
              hours={false}
            />
          )}
          <Chart
            title={t("common:terms.requests")}
            unit={t("common:terms.requests")}
            kind="bars"
            stacked
            points={requests}
            series={[
              { key: "answered", label: t("account:states.captured"), color: "var(--tg-series-2)" },
              { key: "failed", label: t("common:terms.errors"), color: "var(--tg-series-9)" },
              { key: "refused", label: t("common:terms.refusals"), color: "var(--tg-series-6)" },
            ]}
            format={(figure) => count(Number(figure))}
          />
        </div>
      )}
      {!hasNothing && (
        <Section
          title={t("tenantHome:recent")}
          actions={
            <Link to="/t/$tenantId/requests" params={params} className="tg-link">
              {t("tenantHome:allRequests")}
            </Link>
          }
        >
          <DataTable
            id="recent"
            caption={t("tenantHome:recent")}
            columns={columns}
            listing={recent}
            rowId={(row) => row.id}
            rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.id })) as never })}
            openId={search.row}
            plain
          />
        </Section>
      )}
      <SidePanel
        opened={open?.request_id !== undefined && open?.request_id !== null}
        onClose={() => setSearch({ row: undefined })}
        title={t("account:receipt.title")}
        page={
          {
            to: "/t/$tenantId/requests/$requestId",
            params: { ...params, requestId: open?.request_id ?? "" },
          } as LinkProps
        }
        wide
      >
        {open?.request_id && <Receipt requestId={open.request_id} keyName={keys.nameOf} memberName={members.nameOf} />}
      </SidePanel>
    </Page>
  );
}

/** The mean of a sum, for comparing only: not an amount that anybody is charged. */
const plainMean = (sum: string, days: number): number => (plotted(sum) ?? 0) / Math.max(1, days);

function useColumns(keyName: (id: string | null) => string): Column<Row>[] {
  const { t } = useTranslation(["tenantHome", "common"]);
  return [
    { key: "at", header: t("common:terms.time"), cell: (row) => <Time at={row.at} />, fixed: true },
    { key: "state", header: t("common:terms.status"), cell: (row) => <RequestState state={row.state} /> },
    { key: "model", header: t("common:terms.model"), cell: (row) => row.model_asked },
    { key: "key", header: t("common:terms.key"), cell: (row) => keyName(row.token_id) },
    {
      key: "tokens",
      header: t("common:terms.tokens"),
      cell: (row) => count(row.input_tokens + row.cached_input_tokens + row.output_tokens + row.reasoning_tokens),
      numeric: true,
    },
    {
      key: "charged",
      header: t("common:terms.charge"),
      cell: (row) => <Money value={row.state === "refused" ? null : row.charged} />,
      numeric: true,
    },
  ];
}

/** Until the first answer: what is left to do, with a call that can be pasted. */
function SetUp(props: { hasCredit: boolean; hasKey: boolean }) {
  const { t } = useTranslation("tenantHome");
  const tenantId = useTenantId();
  const models = useModelNames(tenantId);
  const params = { tenantId: String(tenantId) };
  const steps = [
    { done: props.hasCredit, label: t("setUp.credit"), to: "/t/$tenantId/wallet" },
    { done: props.hasKey, label: t("setUp.key"), to: "/t/$tenantId/keys" },
    { done: false, label: t("setUp.call"), to: "/t/$tenantId/playground" },
  ];
  return (
    <Paper p="lg" className="tg-setup">
      <Stack>
        <div>
          <Title order={2}>{t("setUp.title")}</Title>
          <Text size="sm" c="dimmed">
            {t("setUp.about")}
          </Text>
        </div>
        <List spacing="xs" center>
          {steps.map((step, index) => (
            <List.Item
              key={step.to}
              icon={
                <ThemeIcon size={24} radius="xl" variant={step.done ? "filled" : "light"}>
                  {step.done ? <Icon name="check" size={14} /> : <span>{index + 1}</span>}
                </ThemeIcon>
              }
            >
              <Link {...({ to: step.to, params } as LinkProps)} className="tg-link">
                {step.label}
              </Link>
            </List.Item>
          ))}
        </List>
        <Snippets secret="sk-..." model={models[0] ?? "demo-chat"} />
        <Group gap={6}>
          <Icon name="clock" size={14} />
          <Text size="sm" c="dimmed">
            {t("setUp.waiting")}
          </Text>
        </Group>
      </Stack>
    </Paper>
  );
}
