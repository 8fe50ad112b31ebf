import { Button, SegmentedControl, Stack, Tabs } from "@mantine/core";
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { Icon } from "~/kit/Icon";
import { Loaded } from "~/kit/Loaded";
import { Page } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { saveText } from "~/lib/download";
import { bytes, count, milliseconds, percent } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { type Sample, samplePoints, useSamples } from "~/parts/samples";
import { seriesOf } from "~/parts/usage";
import { adminSystemRoute } from "./routes";

type System = Schema["SystemView"];
type Node = Schema["NodeView"];
type NodeJob = Schema["Job"] & { node: string };

export default function AdminSystemPage() {
  const { t } = useTranslation("adminSystem");
  const [search, setSearch] = useUrl(adminSystemRoute);
  const query = useQuery({
    queryKey: ["get", "/api/system"],
    queryFn: () => data(api.GET("/api/system")),
    placeholderData: keepPreviousData,
    refetchInterval: 10_000,
  });
  const bundle = useMutation({
    mutationFn: () => data(api.GET("/api/system/support-bundle")),
    onSuccess: (made) =>
      saveText(`tallygate-support-${made.at.slice(0, 10)}.json`, JSON.stringify(made, null, 2), "application/json"),
  });
  return (
    <Page
      title={t("title")}
      about={t("about")}
      bar={{}}
      readAt={query.dataUpdatedAt}
      actions={
        <Button
          variant="default"
          leftSection={<Icon name="download" />}
          onClick={() => bundle.mutate()}
          loading={bundle.isPending}
          title={t("bundleHint")}
        >
          {t("bundle")}
        </Button>
      }
    >
      {bundle.error && <Failure problem={bundle.error} />}
      <Loaded query={query} rows={8}>
        {(system) => (
          <>
            <Figures system={system} />
            <Samples />
            <Tabs
              value={search.tab ?? "nodes"}
              onChange={(tab) => setSearch({ tab: tab === "nodes" ? undefined : (tab as "jobs") })}
              keepMounted={false}
            >
              <Tabs.List>
                <Tabs.Tab value="nodes">{t("nodes")}</Tabs.Tab>
                <Tabs.Tab value="jobs">{t("jobs")}</Tabs.Tab>
                <Tabs.Tab value="database">{t("database")}</Tabs.Tab>
                <Tabs.Tab value="licenses">{t("licenses")}</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="nodes" pt="md">
                <Nodes nodes={system.nodes} />
              </Tabs.Panel>
              <Tabs.Panel value="jobs" pt="md">
                <Jobs nodes={system.nodes} />
              </Tabs.Panel>
              <Tabs.Panel value="database" pt="md">
                <Database database={system.database} />
              </Tabs.Panel>
              <Tabs.Panel value="licenses" pt="md">
                <Licenses />
              </Tabs.Panel>
            </Tabs>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Figures({ system }: { system: System }) {
  const { t } = useTranslation("adminSystem");
  const silent = system.nodes.filter((node) => node.silent).length;
  const behind = system.nodes.filter((node) => !node.silent && node.config_behind > 0).length;
  const { database } = system;
  return (
    <Stats>
      <Stat
        label={t("nodes")}
        value={count(system.nodes.length - silent)}
        note={
          silent > 0 ? (
            <Status tone="warn">{t("silentCount", { count: silent })}</Status>
          ) : (
            t("version", { version: system.version })
          )
        }
      />
      <Stat
        label={t("config")}
        hint={t("configHint")}
        value={count(system.config_position)}
        note={
          behind > 0 ? (
            <Status tone="warn">{t("behindCount", { count: behind })}</Status>
          ) : (
            <Status tone="good">{t("allThere")}</Status>
          )
        }
      />
      <Stat
        label={t("database")}
        value={bytes(database.size_bytes)}
        note={t("postgres", { version: database.version, migration: database.migration })}
      />
      <Stat
        label={t("connections")}
        value={count(database.connections)}
        note={t("ofMost", { count: database.connections_max })}
      />
    </Stats>
  );
}

function Samples() {
  const { t } = useTranslation("adminSystem");
  const [search, setSearch] = useUrl(adminSystemRoute);
  const hours = search.hours ?? "6";
  const found = useSamples(Number(hours));
  const rows = found.data?.rows ?? [];
  const charts = [
    { key: "cpu", unit: t("percentUnit"), figure: (row: Sample) => row.cpu_permille / 1000, format: percent },
    { key: "rss", unit: t("bytesUnit"), figure: (row: Sample) => row.resident_bytes, format: bytes },
    {
      key: "lag",
      unit: t("millisecondsUnit"),
      figure: (row: Sample) => row.loop_lag_milliseconds,
      format: milliseconds,
    },
    { key: "pool", unit: t("connectionsUnit"), figure: (row: Sample) => row.pool_used, format: count },
  ] as const;
  return (
    <Stack gap="xs">
      <SegmentedControl
        size="xs"
        w="fit-content"
        aria-label={t("span")}
        value={hours}
        onChange={(next) => setSearch({ hours: next as "6" })}
        data={(["1", "6", "24", "48"] as const).map((each) => ({
          value: each,
          label: t("hours", { count: Number(each) }),
        }))}
      />
      {found.error && <Failure problem={found.error} onRetry={() => void found.refetch()} />}
      <div className="tg-charts">
        {charts.map((chart) => {
          const { points, nodes } = samplePoints(rows, chart.figure);
          return (
            <Chart
              key={chart.key}
              title={t(`charts.${chart.key}`)}
              unit={chart.unit}
              kind="lines"
              hours
              points={points}
              series={seriesOf(nodes, (node) => node)}
              format={(figure) => chart.format(Number(figure))}
              axis={(figure) => chart.format(figure)}
              height={160}
              loading={found.isPending}
            />
          );
        })}
      </div>
    </Stack>
  );
}

function Nodes({ nodes }: { nodes: Node[] }) {
  const { t } = useTranslation(["adminSystem", "common"]);
  const state = (node: Node) => (node.silent ? "silent" : node.ledger_available ? "well" : "without");
  const tones = { silent: "quiet", well: "good", without: "bad" } as const;
  const figure = (key: string, header: string, read: (node: Node) => number, write: (value: number) => string) => ({
    key,
    header,
    cell: (node: Node) => write(read(node)),
    csv: read,
    numeric: true,
  });
  const columns: Column<Node>[] = [
    { key: "node", header: t("adminSystem:node"), cell: (node) => node.node, csv: (node) => node.node, fixed: true },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (node) => <Status tone={tones[state(node)]}>{t(`adminSystem:states.${state(node)}`)}</Status>,
      csv: state,
    },
    { key: "version", header: t("adminSystem:versionName"), cell: (node) => node.version, csv: (node) => node.version },
    {
      key: "config",
      header: t("adminSystem:config"),
      cell: (node) =>
        node.config_behind > 0 ? (
          <Status tone="warn">{t("adminSystem:configBehind", { count: node.config_behind })}</Status>
        ) : (
          count(node.config_position)
        ),
      csv: (node) => node.config_position,
      numeric: true,
    },
    figure("cpu", t("adminSystem:charts.cpu"), (node) => node.cpu_permille / 1000, percent),
    figure("rss", t("adminSystem:charts.rss"), (node) => node.resident_bytes, bytes),
    figure("lag", t("adminSystem:charts.lag"), (node) => node.loop_lag_milliseconds, milliseconds),
    {
      key: "pool",
      header: t("adminSystem:charts.pool"),
      cell: (node) => t("adminSystem:poolOf", { used: node.pool.size - node.pool.idle, most: node.pool.most }),
      csv: (node) => node.pool.size - node.pool.idle,
      numeric: true,
    },
    figure("running", t("adminSystem:running"), (node) => node.requests_running, count),
    {
      key: "seen",
      header: t("adminSystem:seen"),
      cell: (node) => <Time at={node.seen_at} />,
      csv: (node) => node.seen_at,
    },
    {
      key: "started",
      header: t("adminSystem:started"),
      cell: (node) => <Time at={node.started_at} />,
      csv: (node) => node.started_at,
    },
    {
      key: "host",
      header: t("adminSystem:host"),
      cell: (node) => `${node.host}:${node.pid}`,
      csv: (node) => `${node.host}:${node.pid}`,
      hidden: true,
    },
    {
      key: "python",
      header: t("adminSystem:python"),
      cell: (node) => node.python,
      csv: (node) => node.python,
      hidden: true,
    },
  ];
  return (
    <DataTable
      id="nodes"
      caption={t("adminSystem:nodes")}
      columns={columns}
      listing={wholeListing(nodes)}
      rowId={(node) => node.node}
    />
  );
}

function Jobs({ nodes }: { nodes: Node[] }) {
  const { t } = useTranslation(["adminSystem", "common"]);
  const jobs: NodeJob[] = nodes
    .filter((node) => !node.silent)
    .flatMap((node) => node.jobs.map((job) => ({ ...job, node: node.node })));
  const columns: Column<NodeJob>[] = [
    {
      key: "name",
      header: t("adminSystem:job"),
      cell: (job) => <code className="tg-mono">{job.name}</code>,
      csv: (job) => job.name,
      fixed: true,
    },
    { key: "node", header: t("adminSystem:node"), cell: (job) => job.node, csv: (job) => job.node },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (job) =>
        job.error ? (
          <Status tone="bad" title={job.error}>
            {t("adminSystem:jobFailed")}
          </Status>
        ) : (
          <Status tone="good">{t("adminSystem:jobWell")}</Status>
        ),
      csv: (job) => job.error ?? "",
    },
    {
      key: "every",
      header: t("adminSystem:every"),
      cell: (job) => milliseconds(job.every_seconds * 1000),
      csv: (job) => job.every_seconds,
      numeric: true,
    },
    {
      key: "runs",
      header: t("adminSystem:runs"),
      cell: (job) => count(job.runs ?? 0),
      csv: (job) => job.runs,
      numeric: true,
    },
    {
      key: "failures",
      header: t("adminSystem:failures"),
      cell: (job) => count(job.failures ?? 0),
      csv: (job) => job.failures,
      numeric: true,
    },
    {
      key: "last",
      header: t("adminSystem:lastRun"),
      cell: (job) => <Time at={job.ended_at} />,
      csv: (job) => job.ended_at,
    },
  ];
  return (
    <DataTable
      id="jobs"
      caption={t("adminSystem:jobs")}
      columns={columns}
      listing={wholeListing(jobs)}
      rowId={(job) => `${job.node}:${job.name}`}
    />
  );
}

function Database({ database }: { database: Schema["DatabaseState"] }) {
  const { t } = useTranslation(["adminSystem", "common"]);
  const columns: Column<{ name: string; parent?: string; rows: number; size_bytes: number }>[] = [
    {
      key: "name",
      header: t("common:name"),
      cell: (each) => <code className="tg-mono">{each.name}</code>,
      csv: (each) => each.name,
      fixed: true,
    },
    {
      key: "rows",
      header: t("adminSystem:rows"),
      hint: t("adminSystem:rowsHint"),
      cell: (each) => count(each.rows),
      csv: (each) => each.rows,
      numeric: true,
    },
    {
      key: "size",
      header: t("adminSystem:size"),
      cell: (each) => bytes(each.size_bytes),
      csv: (each) => each.size_bytes,
      numeric: true,
    },
  ];
  return (
    <div className="tg-charts">
      <DataTable
        id="tables"
        caption={t("adminSystem:tables")}
        filters={t("adminSystem:tables")}
        columns={columns}
        listing={wholeListing(database.tables)}
        rowId={(each) => each.name}
      />
      <DataTable
        id="partitions"
        caption={t("adminSystem:partitions")}
        filters={t("adminSystem:partitions")}
        columns={columns}
        listing={wholeListing(database.partitions)}
        rowId={(each) => each.name}
      />
    </div>
  );
}

function Licenses() {
  const { t } = useTranslation(["adminSystem", "common"]);
  const found = useQuery({
    queryKey: ["get", "/api/system/licenses"],
    queryFn: () => data(api.GET("/api/system/licenses")),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const columns: Column<Schema["LicenseView"]>[] = [
    { key: "name", header: t("common:name"), cell: (each) => each.name, csv: (each) => each.name, fixed: true },
    { key: "version", header: t("adminSystem:versionName"), cell: (each) => each.version, csv: (each) => each.version },
    {
      key: "part",
      header: t("adminSystem:part"),
      cell: (each) => t(`adminSystem:parts.${each.part}`),
      csv: (each) => each.part,
    },
    { key: "license", header: t("adminSystem:license"), cell: (each) => each.license, csv: (each) => each.license },
    {
      key: "url",
      header: t("adminSystem:url"),
      cell: (each) => <span className="tg-mono">{each.url}</span>,
      csv: (each) => each.url,
    },
  ];
  return (
    <DataTable
      id="licenses"
      caption={t("adminSystem:licenses")}
      columns={columns}
      listing={wholeListing(found.data?.items, found)}
      rowId={(each) => `${each.part} ${each.name} ${each.version}`}
    />
  );
}
