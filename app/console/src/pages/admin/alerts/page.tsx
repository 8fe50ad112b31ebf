import { Button, Group, Alert as Notice, Stack, Table, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api, data, queryClient, type Schema } from "~/api/client";
import { useListing, wholeListing } from "~/api/listing";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { Code } from "~/kit/Code";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Page, Section } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { Stat, Stats } from "~/kit/Stat";
import { Status, type Tone } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { count, milliseconds, plotted } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { ALERT_SETTING } from "~/parts/commands";
import { useMay } from "~/session/session";
import { adminAlertsRoute } from "./routes";

type Alert = Schema["AlertView"];
type Delivery = Schema["Delivery"];
type Sink = Schema["SinkView"];

const TONES: Record<string, Tone> = { critical: "bad", warning: "warn" };
const ALERTS_MAX = 500;
/** What is open is looked at again so often. */
const EVERY_MILLISECONDS = 10_000;

export default function AdminAlertsPage() {
  const { t } = useTranslation("adminAlerts");
  const [search, setSearch] = useUrl(adminAlertsRoute);
  const alerts = useQuery({
    queryKey: ["get", "/api/alerts", ALERTS_MAX],
    queryFn: () => data(api.GET("/api/alerts", { params: { query: { limit: ALERTS_MAX } } })),
    refetchInterval: EVERY_MILLISECONDS,
  });
  const sinks = useQuery({
    queryKey: ["get", "/api/alerts/sinks"],
    queryFn: () => data(api.GET("/api/alerts/sinks")),
  });
  const items = alerts.data?.items ?? [];
  const open = items.filter((each) => each.resolved_at === null);
  const past = items.filter((each) => each.resolved_at !== null);
  const chosen = items.find((each) => each.id === search.row);
  const places = sinks.data?.items ?? [];
  const sum = (figure: (sink: Sink) => number) => count(places.reduce((total, sink) => total + figure(sink), 0));
  const isToldNowhere = sinks.data !== undefined && places.every((each) => !each.configured || each.name === "log");
  return (
    <Page title={t("title")} about={t("about")} readAt={alerts.dataUpdatedAt}>
      <Stats>
        <Stat
          label={t("openNow")}
          value={count(open.length)}
          note={t("critical", { count: open.filter((each) => each.severity === "critical").length })}
          loading={alerts.isPending}
        />
        <Stat
          label={t("places")}
          value={count(places.filter((each) => each.configured).length)}
          loading={sinks.isPending}
        />
        <Stat label={t("told")} value={sum((each) => each.told)} note={t("days")} loading={sinks.isPending} />
        <Stat
          label={t("failed")}
          hint={t("failedHint")}
          value={sum((each) => each.failed)}
          note={t("days")}
          loading={sinks.isPending}
        />
      </Stats>
      {isToldNowhere && (
        <Notice color="yellow" icon={<Icon name="bell" />}>
          <Stack gap="xs">
            <Text size="sm" fw={600}>
              {t("logOnlyTitle")}
            </Text>
            <Text size="sm">{t("logOnlyText")}</Text>
            <Code text={ALERT_SETTING} />
          </Stack>
        </Notice>
      )}
      <Tabs
        value={search.tab ?? "open"}
        onChange={(tab) =>
          setSearch({
            tab: tab === "open" ? undefined : (tab as typeof search.tab),
            sink: undefined,
            failed: undefined,
          })
        }
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="open">{t("tabs.open")}</Tabs.Tab>
          <Tabs.Tab value="past">{t("tabs.past")}</Tabs.Tab>
          <Tabs.Tab value="deliveries">{t("tabs.deliveries")}</Tabs.Tab>
          <Tabs.Tab value="sinks">{t("tabs.sinks")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="open" pt="md">
          <AlertTable id="alerts-open" caption={t("tabs.open")} rows={open} query={alerts} />
        </Tabs.Panel>
        <Tabs.Panel value="past" pt="md">
          <AlertTable id="alerts-past" caption={t("tabs.past")} rows={past} query={alerts} past />
        </Tabs.Panel>
        <Tabs.Panel value="deliveries" pt="md">
          <Deliveries sinks={places} />
        </Tabs.Panel>
        <Tabs.Panel value="sinks" pt="md">
          <Sinks query={sinks} />
        </Tabs.Panel>
      </Tabs>
      <SidePanel
        opened={chosen !== undefined}
        onClose={() => setSearch({ row: undefined })}
        title={chosen?.title ?? ""}
      >
        {chosen && <OneAlert alert={chosen} />}
      </SidePanel>
    </Page>
  );
}

function Severity({ severity }: { severity: string }) {
  const { t } = useTranslation("adminAlerts");
  return (
    <Status tone={TONES[severity] ?? "info"}>
      {t(`severities.${severity}` as "severities.critical", { defaultValue: severity })}
    </Status>
  );
}

/** What a rule watches, in words. */
function useRule(): (kind: string) => string {
  const { t } = useTranslation("adminAlerts");
  return (kind) => t(`rules.${kind}` as "rules.channel_out", { defaultValue: kind });
}

const lasted = (alert: Alert): string =>
  milliseconds((alert.resolved_at ? Date.parse(alert.resolved_at) : Date.now()) - Date.parse(alert.raised_at));

function AlertTable(props: {
  id: string;
  caption: string;
  rows: Alert[];
  query: Parameters<typeof wholeListing>[1];
  past?: boolean;
}) {
  const { t } = useTranslation("adminAlerts");
  const ruleOf = useRule();
  const [search] = useUrl(adminAlertsRoute);
  const columns: Column<Alert>[] = [
    { key: "title", header: t("what"), cell: (row) => row.title, csv: (row) => row.title, fixed: true },
    {
      key: "severity",
      header: t("severity"),
      cell: (row) => <Severity severity={row.severity} />,
      csv: (row) => row.severity,
    },
    { key: "kind", header: t("rule"), cell: (row) => ruleOf(row.kind), csv: (row) => row.kind },
    {
      key: "subject",
      header: t("subject"),
      cell: (row) => (row.subject.length > 24 ? <Id value={row.subject} /> : row.subject || "–"),
      csv: (row) => row.subject,
    },
    { key: "raised", header: t("raised"), cell: (row) => <Time at={row.raised_at} />, csv: (row) => row.raised_at },
    ...(props.past
      ? [
          {
            key: "resolved",
            header: t("resolved"),
            cell: (row: Alert) => <Time at={row.resolved_at} />,
            csv: (row: Alert) => row.resolved_at,
          },
        ]
      : []),
    { key: "lasted", header: props.past ? t("lasted") : t("since"), cell: lasted, numeric: true },
  ];
  return (
    <DataTable
      id={props.id}
      caption={props.caption}
      columns={columns}
      listing={wholeListing(props.rows, props.query)}
      rowId={(row) => row.id}
      rowLink={(row) => ({ to: "/admin/alerts", search: { tab: search.tab, row: row.id } })}
      openId={search.row}
      empty={
        props.past ? { title: t("noneTitle"), text: t("noneText") } : { title: t("calmTitle"), text: t("calmText") }
      }
    />
  );
}

function OneAlert({ alert }: { alert: Alert }) {
  const { t } = useTranslation(["adminAlerts", "common"]);
  const ruleOf = useRule();
  // It is told after it was raised, and again when it is over: whoever looks sees both come.
  const told = useListing("/api/alerts/deliveries", { query: { limit: 500 }, refetchInterval: EVERY_MILLISECONDS });
  const columns = useDeliveryColumns().filter((each) => ["at", "sink", "event", "result"].includes(each.key));
  const facts: [string, ReactNode][] = [
    [t("adminAlerts:raised"), <Time key="raised" at={alert.raised_at} form="full" />],
    ...(alert.resolved_at
      ? ([
          [t("adminAlerts:resolved"), <Time key="resolved" at={alert.resolved_at} form="full" />],
          [t("adminAlerts:saidThen"), alert.resolved_title],
        ] as [string, ReactNode][])
      : []),
    [t("adminAlerts:rule"), ruleOf(alert.kind)],
    [t("adminAlerts:subject"), alert.subject || "–"],
  ];
  return (
    <Stack>
      <Group gap="lg">
        <Severity severity={alert.severity} />
        <Status tone={alert.resolved_at ? "good" : "bad"}>
          {alert.resolved_at ? t("adminAlerts:over") : t("adminAlerts:open")}
        </Status>
        <Text size="sm" c="dimmed">
          {lasted(alert)}
        </Text>
      </Group>
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
      <Section title={t("adminAlerts:tabs.deliveries")}>
        <DataTable
          id="deliveries-of-one"
          caption={t("adminAlerts:tabs.deliveries")}
          plain
          columns={columns}
          listing={{ ...told, rows: told.rows.filter((each) => each.alert_id === alert.id), hasMore: false }}
          rowId={(row) => `${row.position} ${row.sink}`}
          empty={{ title: t("adminAlerts:untoldTitle") }}
        />
      </Section>
    </Stack>
  );
}

function useDeliveryColumns(): Column<Delivery>[] {
  const { t } = useTranslation(["adminAlerts", "common"]);
  return [
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (row) => <Time at={row.at} />,
      csv: (row) => row.at,
      fixed: true,
    },
    { key: "sink", header: t("adminAlerts:place"), cell: (row) => row.sink, csv: (row) => row.sink },
    {
      key: "event",
      header: t("adminAlerts:event"),
      cell: (row) => (row.event === "alert.raised" ? t("adminAlerts:raisedWord") : t("adminAlerts:overWord")),
      csv: (row) => row.event,
    },
    { key: "title", header: t("adminAlerts:what"), cell: (row) => row.title, csv: (row) => row.title },
    {
      key: "severity",
      header: t("adminAlerts:severity"),
      cell: (row) => <Severity severity={row.severity} />,
      csv: (row) => row.severity,
      hidden: true,
    },
    {
      key: "result",
      header: t("adminAlerts:result"),
      hint: t("adminAlerts:resultHint"),
      cell: (row) =>
        row.error ? (
          <Status tone="bad">{t("adminAlerts:gaveUp", { error: row.error })}</Status>
        ) : (
          <Status tone="good">{t("adminAlerts:toldWord")}</Status>
        ),
      csv: (row) => row.error,
    },
  ];
}

function Deliveries(props: { sinks: Sink[] }) {
  const { t } = useTranslation("adminAlerts");
  const [search, setSearch] = useUrl(adminAlertsRoute);
  const { sink, failed } = search;
  const listing = useListing("/api/alerts/deliveries", { query: { sink, failed, limit: 100 } });
  return (
    <DataTable
      id="deliveries"
      caption={t("tabs.deliveries")}
      columns={useDeliveryColumns()}
      listing={listing}
      rowId={(row) => `${row.position} ${row.sink}`}
      filters={
        <Filters
          fields={[
            {
              key: "sink",
              kind: "choice",
              label: t("place"),
              options: props.sinks.map((each) => ({ value: each.name, label: each.name })),
              width: 220,
            },
            { key: "failed", kind: "flag", label: t("result"), yes: t("failed"), no: t("told"), width: 150 },
          ]}
          value={search}
          onChange={setSearch}
        />
      }
      filtered={sink !== undefined || failed !== undefined}
      onClear={() => setSearch({ sink: undefined, failed: undefined })}
      empty={{ title: t("untoldTitle"), text: t("untoldText") }}
    />
  );
}

function Sinks(props: {
  query: { data?: Schema["Sinks"]; isPending: boolean; error: unknown; refetch: () => unknown };
}) {
  const { t } = useTranslation("adminAlerts");
  const may = useMay();
  const [results, setResults] = useState<Schema["TestResult"][]>([]);
  const [testing, setTesting] = useState<string | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const sinks = props.query.data?.items ?? [];
  const test = async (sink: string | null) => {
    setTesting(sink ?? "");
    setProblem(null);
    try {
      setResults((await data(api.POST("/api/alerts/test", { body: { sink } }))).items);
      await queryClient.invalidateQueries({ queryKey: ["get", "/api/alerts/sinks"] });
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setTesting(null);
    }
  };
  const columns: Column<Sink>[] = [
    { key: "name", header: t("place"), cell: (row) => row.name, csv: (row) => row.name, fixed: true },
    {
      key: "configured",
      header: t("state"),
      cell: (row) =>
        row.configured ? <Status tone="good">{t("configured")}</Status> : <Status tone="quiet">{t("formerly")}</Status>,
      csv: (row) => row.configured,
    },
    {
      key: "told",
      header: t("told"),
      hint: t("days"),
      cell: (row) => count(row.told),
      csv: (row) => row.told,
      numeric: true,
    },
    {
      key: "failed",
      header: t("failed"),
      hint: t("failedHint"),
      cell: (row) => count(row.failed),
      csv: (row) => row.failed,
      numeric: true,
    },
    {
      key: "last",
      header: t("lastTold"),
      cell: (row) => <Time at={row.last_told_at} />,
      csv: (row) => row.last_told_at,
    },
    {
      key: "test",
      header: t("lastTest"),
      cell: (row) => {
        const result = results.find((each) => each.sink === row.name);
        if (!result) return "–";
        return result.told ? (
          <Status tone="good">{t("arrived")}</Status>
        ) : (
          <Status tone="bad">{t("gaveUp", { error: result.error })}</Status>
        );
      },
    },
  ];
  const mayTest = may("routing:write");
  return (
    <Stack>
      {problem !== null && <Failure problem={problem} onRetry={() => void test(null)} />}
      <Section
        title={t("tabs.sinks")}
        about={t("sinksAbout")}
        actions={
          mayTest && (
            <Button
              variant="default"
              leftSection={<Icon name="bell" size={14} />}
              loading={testing === ""}
              onClick={() => void test(null)}
            >
              {t("testAll")}
            </Button>
          )
        }
      >
        <DataTable
          id="sinks"
          caption={t("tabs.sinks")}
          columns={columns}
          listing={wholeListing(sinks, props.query)}
          rowId={(row) => row.name}
          rowActions={
            mayTest
              ? (row) =>
                  row.configured && (
                    <Button
                      size="compact-xs"
                      variant="subtle"
                      loading={testing === row.name}
                      onClick={() => void test(row.name)}
                    >
                      {t("test")}
                    </Button>
                  )
              : undefined
          }
        />
      </Section>
      {sinks.some((each) => each.told + each.failed > 0) && (
        <Chart
          title={t("byResult")}
          unit={t("deliveriesUnit")}
          kind="bars"
          stacked
          categories
          points={sinks.map((each) => ({ at: each.name, values: { told: each.told, failed: each.failed } }))}
          series={[
            { key: "told", label: t("told"), color: "var(--tg-series-2)" },
            { key: "failed", label: t("failed"), color: "var(--tg-series-9)" },
          ]}
          format={(value) => count(plotted(value) ?? 0)}
        />
      )}
    </Stack>
  );
}
