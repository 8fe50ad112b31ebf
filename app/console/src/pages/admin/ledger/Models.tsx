import { Button, Progress, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { FormModal } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Section } from "~/kit/Page";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { count, percent } from "~/lib/format";
import { useTenantDirectory } from "~/parts/tenants";
import { useMay } from "~/session/session";
import { type Health, shareOf, useReread } from "./ledger";

type Model = Schema["ProjectionView"];
type Parked = Schema["ParkedView"];

/** The read models: how far behind, to be made again from the log; and the lanes that stand still in one. */
export function Models({ health }: { health: Health }) {
  const { t } = useTranslation(["adminLedger", "common"]);
  const may = useMay();
  const reread = useReread();
  const [rebuilt, setRebuilt] = useState<Model | null>(null);
  const isRebuilding = health.running.some((run) => run.kind === "rebuild");
  const meaning = (each: Model) => t(`adminLedger:models.${each.name as "usage"}`, { defaultValue: "" });
  const position = (each: Model) => Math.max(0, health.events - each.events_behind);
  const columns: Column<Model>[] = [
    {
      key: "name",
      header: t("adminLedger:model"),
      cell: (each) => <code className="tg-mono">{each.name}</code>,
      csv: (each) => each.name,
      fixed: true,
    },
    { key: "meaning", header: t("adminLedger:modelMeaning"), cell: meaning, csv: meaning },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (each) =>
        each.parked > 0 ? (
          <Status tone="bad">{t("adminLedger:parkedCount", { count: each.parked })}</Status>
        ) : each.events_behind > 0 ? (
          <Status tone="info">{t("adminLedger:catchingUp")}</Status>
        ) : (
          <Status tone="good">{t("adminLedger:current")}</Status>
        ),
      csv: (each) => each.parked,
    },
    {
      key: "position",
      header: t("adminLedger:position"),
      hint: t("adminLedger:positionHint"),
      cell: (each) => count(position(each)),
      csv: position,
      numeric: true,
    },
    {
      key: "behind",
      header: t("adminLedger:behind"),
      cell: (each) => count(each.events_behind),
      csv: (each) => each.events_behind,
      numeric: true,
    },
    {
      key: "lanes",
      header: t("adminLedger:lanesBehind"),
      cell: (each) => count(each.lanes_behind),
      csv: (each) => each.lanes_behind,
      numeric: true,
    },
    {
      key: "generation",
      header: t("adminLedger:generation"),
      hint: t("adminLedger:generationHint"),
      cell: (each) => (
        <span className="tg-time tg-nowrap">
          {t("adminLedger:generationText", { generation: each.generation, version: each.version })}
        </span>
      ),
      csv: (each) => each.generation,
    },
    {
      key: "filling",
      header: t("adminLedger:filling"),
      cell: (each) => {
        const share = each.filling === null ? null : shareOf(each.filled, health.events);
        if (share === null) return <span className="tg-dim">–</span>;
        return (
          <div className="tg-full">
            <Progress value={share * 100} size="sm" aria-hidden="true" />
            <Text size="xs">{percent(share)}</Text>
          </div>
        );
      },
      csv: (each) => each.filled,
    },
  ];
  return (
    <Stack gap="lg">
      <DataTable
        id="ledger-models"
        caption={t("adminLedger:tabs.models")}
        columns={columns}
        listing={wholeListing(health.projections)}
        rowId={(each) => each.name}
        rowActions={
          may("system:write")
            ? (each) => (
                <Button
                  size="compact-xs"
                  variant="default"
                  leftSection={<Icon name="refresh" size={12} />}
                  onClick={() => setRebuilt(each)}
                  disabled={isRebuilding}
                  aria-label={t("adminLedger:rebuildOf", { name: each.name })}
                >
                  {t("adminLedger:rebuild")}
                </Button>
              )
            : undefined
        }
      />
      <Chart
        title={t("adminLedger:lagChart")}
        unit={t("adminLedger:eventsUnit")}
        kind="bars"
        categories
        points={health.projections.map((each) => ({ at: each.name, values: { behind: each.events_behind } }))}
        series={[{ key: "behind", label: t("adminLedger:behind"), color: "var(--tg-series-0)" }]}
        format={(figure) => count(Number(figure))}
        height={160}
      />
      <ParkedLanes health={health} />
      <FormModal
        opened={rebuilt !== null}
        onClose={() => setRebuilt(null)}
        title={t("adminLedger:rebuildOf", { name: rebuilt?.name ?? "" })}
        submit={t("adminLedger:rebuild")}
        initial={{}}
        done={t("adminLedger:rebuildStarted")}
        onSubmit={async () => {
          await api.POST("/api/ledger/rebuilds", { body: { projection: rebuilt?.name ?? "" } });
          reread();
        }}
      >
        {() => (
          <Text size="sm">
            {t("adminLedger:rebuildEffect", { count: health.events, events: count(health.events) })}
          </Text>
        )}
      </FormModal>
    </Stack>
  );
}

function ParkedLanes({ health }: { health: Health }) {
  const { t } = useTranslation(["adminLedger", "common"]);
  const may = useMay();
  const reread = useReread();
  const { nameOf } = useTenantDirectory();
  const retry = useMutation({
    mutationFn: (body: Schema["RetryAsked"]) => data(api.POST("/api/ledger/parked/retry", { body })),
    onSettled: reread,
  });
  const columns: Column<Parked>[] = [
    {
      key: "model",
      header: t("adminLedger:model"),
      cell: (each) => <code className="tg-mono">{each.projection}</code>,
      csv: (each) => each.projection,
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
      key: "since",
      header: t("adminLedger:since"),
      cell: (each) => <Time at={each.since} />,
      csv: (each) => each.since,
    },
    {
      key: "error",
      header: t("adminLedger:error"),
      cell: (each) => <span lang="en">{each.error}</span>,
      csv: (each) => each.error,
    },
  ];
  return (
    <Section
      title={t("adminLedger:parked")}
      about={t("adminLedger:parkedAbout")}
      actions={
        may("system:write") &&
        health.parked.length > 0 && (
          <Button variant="default" size="xs" loading={retry.isPending} onClick={() => retry.mutate({})}>
            {t("adminLedger:retryAll")}
          </Button>
        )
      }
    >
      {retry.error && <Failure problem={retry.error} />}
      {health.parked.length === 0 ? (
        <Text size="sm" component="div">
          <Status tone="good">{t("adminLedger:noneParked")}</Status>
        </Text>
      ) : (
        <DataTable
          id="ledger-parked"
          caption={t("adminLedger:parked")}
          columns={columns}
          listing={wholeListing(health.parked)}
          rowId={(each) => `${each.projection}:${each.tenant_id}:${each.lane}`}
          rowActions={
            may("system:write")
              ? (each) => (
                  <Button
                    size="compact-xs"
                    variant="default"
                    disabled={retry.isPending}
                    onClick={() =>
                      retry.mutate({ projection: each.projection, tenant_id: each.tenant_id, lane: each.lane })
                    }
                  >
                    {t("common:retry")}
                  </Button>
                )
              : undefined
          }
        />
      )}
    </Section>
  );
}
