import { Button, Group, List, Paper, Progress, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { api, data, type Schema } from "~/api/client";
import { useListing, wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { SidePanel } from "~/kit/SidePanel";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { Who } from "~/kit/Who";
import { count, milliseconds, percent } from "~/lib/format";
import { useTenantDirectory } from "~/parts/tenants";
import { useMay } from "~/session/session";
import { RUN_TONES, type Run, shareOf, useReread } from "./ledger";

type Finding = Schema["Disagreement"];

function useRunName(): (run: Run) => string {
  const { t } = useTranslation("adminLedger");
  return (run) => (run.kind === "verification" ? t("verification") : t("rebuildOf", { name: run.projection ?? "" }));
}

/** What is running now, with how far it is and a way to end it. */
export function Running(props: { runs: Run[] }) {
  if (props.runs.length === 0) return null;
  return (
    <Stack gap="sm">
      {props.runs.map((run) => (
        <RunningOne key={run.id} run={run} />
      ))}
    </Stack>
  );
}

function RunningOne({ run }: { run: Run }) {
  const { t } = useTranslation(["adminLedger", "common"]);
  const name = useRunName()(run);
  const may = useMay();
  const reread = useReread();
  const cancel = useMutation({
    mutationFn: () => data(api.POST("/api/ledger/runs/{run_id}/cancel", { params: { path: { run_id: run.id } } })),
    onSettled: reread,
  });
  const share = shareOf(run.done, run.total);
  return (
    <Paper p="md" component="section" aria-label={name}>
      <Group justify="space-between" mb="xs">
        <div>
          <Text fw={600} size="sm">
            {name}
          </Text>
          <Text size="xs" c="dimmed" component="div">
            {t("adminLedger:startedBy")} <Who actor={run.asked_by} />, <Time at={run.asked_at} />
          </Text>
        </div>
        {may("system:write") && (
          <Button
            size="xs"
            variant="default"
            onClick={() => cancel.mutate()}
            loading={cancel.isPending}
            disabled={cancel.isSuccess}
          >
            {cancel.isSuccess ? t("adminLedger:ending") : t("common:cancel")}
          </Button>
        )}
      </Group>
      <Progress
        value={(share ?? 1) * 100}
        animated={share === null}
        striped={share === null}
        aria-label={name}
        size="md"
      />
      <Text size="xs" mt={4} aria-live="polite">
        {share === null
          ? t("adminLedger:counting")
          : t("adminLedger:progress", {
              part: run.part,
              done: count(run.done),
              total: count(run.total),
              share: percent(share, 0),
            })}
      </Text>
      {cancel.error && <Failure problem={cancel.error} compact />}
    </Paper>
  );
}

/** Verifications and rebuilds that were, the latest first. */
export function Runs(props: { isRunning: boolean }) {
  const { t } = useTranslation(["adminLedger", "common"]);
  const name = useRunName();
  const listing = useListing("/api/ledger/runs", {
    query: { limit: 100 },
    refetchInterval: props.isRunning ? 2000 : undefined,
  });
  // When the last one has ended, the list is to say so, too.
  const reload = useRef(listing.reload);
  reload.current = listing.reload;
  const { isRunning } = props;
  useEffect(() => {
    if (!isRunning) reload.current();
  }, [isRunning]);
  const columns: Column<Run>[] = [
    { key: "name", header: t("adminLedger:run"), cell: name, csv: name, fixed: true },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (run) => <RunState run={run} />,
      csv: (run) => run.state,
    },
    {
      key: "findings",
      header: t("adminLedger:findings"),
      cell: (run) => (run.clean === null ? <span className="tg-dim">–</span> : count(run.findings_total)),
      csv: (run) => run.findings_total,
      numeric: true,
    },
    {
      key: "events",
      header: t("adminLedger:events"),
      cell: (run) => (run.events === null ? <span className="tg-dim">–</span> : count(run.events)),
      csv: (run) => run.events,
      numeric: true,
    },
    {
      key: "seconds",
      header: t("adminLedger:took"),
      cell: (run) => (run.seconds === null ? <span className="tg-dim">–</span> : milliseconds(run.seconds * 1000)),
      csv: (run) => run.seconds,
      numeric: true,
    },
    {
      key: "by",
      header: t("adminLedger:askedBy"),
      cell: (run) => <Who actor={run.asked_by} />,
      csv: (run) => run.asked_by,
    },
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (run) => <Time at={run.asked_at} form="full" />,
      csv: (run) => run.asked_at,
    },
    { key: "node", header: t("adminLedger:node"), cell: (run) => run.node, csv: (run) => run.node, hidden: true },
  ];
  return (
    <DataTable
      id="ledger-runs"
      caption={t("adminLedger:tabs.runs")}
      columns={columns}
      listing={listing}
      rowId={(run) => run.id}
      rowLink={(run) => ({ to: ".", search: ((old: object) => ({ ...old, row: run.id })) as never })}
      empty={{ title: t("adminLedger:noRuns"), text: t("adminLedger:noRunsText"), command: "tallygate verify" }}
    />
  );
}

function RunState({ run }: { run: Run }) {
  const { t } = useTranslation("adminLedger");
  if (run.state === "done" && run.clean === false)
    return <Status tone="bad">{t("foundCount", { count: run.findings_total })}</Status>;
  if (run.state === "done" && run.clean) return <Status tone="good">{t("verdict.sound")}</Status>;
  return <Status tone={RUN_TONES[run.state]}>{t(`runStates.${run.state}`)}</Status>;
}

/** One run: what it did and found. */
export function RunPanel(props: { id: string | undefined; onClose: () => void }) {
  const { t } = useTranslation("adminLedger");
  const name = useRunName();
  const query = useQuery({
    queryKey: ["get", "/api/ledger/runs/{run_id}", props.id],
    queryFn: () => data(api.GET("/api/ledger/runs/{run_id}", { params: { path: { run_id: props.id as string } } })),
    enabled: props.id !== undefined,
    refetchInterval: ({ state }) => (state.data?.state === "running" ? 1000 : false),
  });
  return (
    <SidePanel
      opened={props.id !== undefined}
      onClose={props.onClose}
      title={query.data ? name(query.data) : t("run")}
      wide
    >
      <Loaded query={query}>{(run) => <RunDetails run={run} />}</Loaded>
    </SidePanel>
  );
}

function RunDetails({ run }: { run: Run }) {
  const { t } = useTranslation(["adminLedger", "common"]);
  const rows: [string, ReactNode][] = [
    [t("common:terms.status"), <RunState key="state" run={run} />],
    [t("adminLedger:askedBy"), <Who key="by" actor={run.asked_by} />],
    [t("adminLedger:began"), <Time key="at" at={run.asked_at} form="full" />],
    [t("adminLedger:ended"), run.ended_at ? <Time key="end" at={run.ended_at} form="full" /> : "–"],
    [t("adminLedger:took"), run.seconds === null ? "–" : milliseconds(run.seconds * 1000)],
    [t("adminLedger:events"), run.events === null ? "–" : count(run.events)],
    [t("adminLedger:node"), run.node],
    [t("adminLedger:runId"), <Id key="id" value={run.id} />],
  ];
  return (
    <Stack>
      <Table className="tg-facts" withRowBorders={false}>
        <Table.Tbody>
          {rows.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row">{name}</Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {run.error && (
        <Text size="sm" lang="en" className="tg-bad">
          {run.error}
        </Text>
      )}
      {run.notes.length > 0 && (
        <List size="sm" lang="en">
          {run.notes.map((note) => (
            <List.Item key={note}>{note}</List.Item>
          ))}
        </List>
      )}
      {run.findings.length > 0 && <Findings run={run} />}
    </Stack>
  );
}

/** Everything that must not be, with where it shows first. */
export function Findings({ run }: { run: Run }) {
  const { t } = useTranslation(["adminLedger", "common"]);
  const { nameOf } = useTenantDirectory();
  const columns: Column<Finding>[] = [
    {
      key: "check",
      header: t("adminLedger:invariant"),
      cell: (each) => <code className="tg-mono">{each.check}</code>,
      csv: (each) => each.check,
      fixed: true,
    },
    {
      key: "tenant",
      header: t("common:terms.tenant"),
      cell: (each) => nameOf(each.tenant_id),
      csv: (each) => each.tenant_id,
    },
    { key: "lane", header: t("adminLedger:lane"), cell: (each) => each.lane, csv: (each) => each.lane, numeric: true },
    {
      key: "position",
      header: t("adminLedger:position"),
      cell: (each) => count(each.position),
      csv: (each) => each.position,
      numeric: true,
    },
    {
      key: "message",
      header: t("adminLedger:message"),
      cell: (each) => <span lang="en">{each.message}</span>,
      csv: (each) => each.message,
    },
  ];
  return (
    <DataTable
      id="ledger-findings"
      caption={t("adminLedger:findings")}
      columns={columns}
      listing={wholeListing(run.findings)}
      rowId={(each) => `${each.check}:${each.tenant_id}:${each.lane}:${each.position}:${each.message}`}
    />
  );
}
