import { Button, Group, SegmentedControl, Stack, Tabs, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, ifMatch, type Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { Empty } from "~/kit/Empty";
import { Failure } from "~/kit/Failure";
import { History } from "~/kit/History";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { SidePanel } from "~/kit/SidePanel";
import { Time } from "~/kit/Time";
import { count, decimal, listed, milliseconds, percent } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useMay } from "~/session/session";
import { useDayOf } from "./day";
import { InUse } from "./Mappings";
import { Scope } from "./Policies";
import { PolicyForm } from "./PolicyForm";
import { adminRoutingRoute } from "./routes";
import { type Policy, readPolicy, routingChanged } from "./routing";

/** One policy: what it says, how its experiment goes, who changed it. */
export function PolicyPanel(props: { id: string | undefined; onClose: () => void }) {
  const { t } = useTranslation("adminRouting");
  const found = useQuery({
    queryKey: ["get", "/api/routing/policies", "one", props.id],
    queryFn: () => readPolicy(props.id as string),
    enabled: props.id !== undefined,
  });
  return (
    <SidePanel
      opened={props.id !== undefined}
      onClose={props.onClose}
      title={found.data?.name ?? t("policies.one")}
      wide
    >
      <Loaded query={found}>{(policy) => <Details key={policy.id} policy={policy} />}</Loaded>
    </SidePanel>
  );
}

function Details({ policy }: { policy: Policy }) {
  const { t } = useTranslation("adminRouting");
  const [search, setSearch] = useUrl(adminRoutingRoute);
  return (
    <Stack>
      <Actions policy={policy} />
      <Tabs
        value={search.part ?? "settings"}
        onChange={(part) => setSearch({ part: part === "settings" ? undefined : (part as "history") })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="settings">{t("policies.settings")}</Tabs.Tab>
          <Tabs.Tab value="experiment">{t("policies.experiment")}</Tabs.Tab>
          <Tabs.Tab value="history">{t("history")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="settings">
          <Settings policy={policy} />
        </Tabs.Panel>
        <Tabs.Panel value="experiment">
          <Report policy={policy} />
        </Tabs.Panel>
        <Tabs.Panel value="history">
          <History path="/api/routing/policies/{policy_id}/history" params={{ policy_id: policy.id }} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

function Actions({ policy }: { policy: Policy }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  const may = useMay();
  const [doing, setDoing] = useState<"change" | "archive" | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const day = useDayOf(policy.model, policy.tenant_id);
  const header = { "If-Match": ifMatch(policy) };
  const run = async (work: () => Promise<unknown>) => {
    setProblem(null);
    try {
      await work();
      notifications.show({ message: t("common:saved") });
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    routingChanged();
  };
  if (!may("routing:write")) return null;
  const small = { size: "xs", variant: "default" } as const;
  return (
    <>
      <Group gap="xs">
        {policy.archived ? (
          <Button
            {...small}
            onClick={() =>
              run(() =>
                api.POST("/api/routing/policies/{entity_id}/restore", {
                  params: { path: { entity_id: policy.id }, header },
                  body: {},
                }),
              )
            }
          >
            {t("common:restore")}
          </Button>
        ) : (
          <>
            <Button {...small} onClick={() => setDoing("change")}>
              {t("common:change")}
            </Button>
            <Button
              {...small}
              onClick={() =>
                run(() =>
                  api.PATCH("/api/routing/policies/{policy_id}", {
                    params: { path: { policy_id: policy.id }, header },
                    body: { enabled: !policy.enabled },
                  }),
                )
              }
            >
              {policy.enabled ? t("adminRouting:switchOff") : t("adminRouting:switchOn")}
            </Button>
            <Button {...small} color="red" onClick={() => setDoing("archive")}>
              {t("adminRouting:archive")}
            </Button>
          </>
        )}
      </Group>
      {problem !== null && <Failure problem={problem} compact />}
      <PolicyForm policy={policy} opened={doing === "change"} onClose={() => setDoing(null)} />
      <ConfirmDanger
        opened={doing === "archive"}
        onClose={() => setDoing(null)}
        title={t("adminRouting:policies.archiveTitle", { name: policy.name })}
        effect={t("adminRouting:policies.archiveEffect", { count: day ?? 0 })}
        word={policy.name}
        submit={t("adminRouting:archive")}
        entity={policy}
        reload={() => readPolicy(policy.id)}
        onConfirm={async (call) => {
          await api.DELETE("/api/routing/policies/{policy_id}", {
            params: {
              path: { policy_id: policy.id },
              header: { "If-Match": call.ifMatch },
              query: { reason: call.reason },
            },
          });
          routingChanged();
        }}
      />
    </>
  );
}

function Settings({ policy }: { policy: Policy }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  const facts: [string, React.ReactNode][] = [
    [t("common:terms.status"), <InUse key="state" row={policy} />],
    [t("adminRouting:scope"), <Scope key="scope" policy={policy} />],
    [t("common:terms.model"), policy.model || t("adminRouting:policies.allModels")],
    [
      t("adminRouting:policies.mode"),
      policy.mode === "sticky"
        ? t("adminRouting:policies.modeSticky", {
            mode: t("adminRouting:modes.sticky"),
            by: t(`adminRouting:sticky.${policy.sticky_by}`),
          })
        : t(`adminRouting:modes.${policy.mode}`),
    ],
    [
      t("adminRouting:policies.channelGroups"),
      policy.channel_groups.length ? listed([...policy.channel_groups]) : t("common:all"),
    ],
    [t("adminRouting:models.fallbacks"), policy.fallbacks.join(" → ") || t("common:none")],
    [t("adminRouting:policies.fallbackBilled"), t(`adminRouting:billed.${policy.fallback_billed}`)],
    [t("adminRouting:policies.attempts"), count(policy.attempts_max)],
    [t("adminRouting:policies.seconds"), milliseconds(policy.attempts_seconds * 1000)],
    [
      t("adminRouting:policies.hedge"),
      policy.hedge_milliseconds === null ? t("common:never") : milliseconds(policy.hedge_milliseconds),
    ],
    [t("common:terms.created"), <Time key="created" at={policy.created_at} form="full" />],
    [t("common:terms.updated"), <Time key="updated" at={policy.updated_at} form="full" />],
  ];
  return (
    <dl className="tg-fact-list">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const DAYS = [1, 7, 30] as const;

/** The arms of an experiment, side by side. */
function Report({ policy }: { policy: Policy }) {
  const { t } = useTranslation("adminRouting");
  const [search, setSearch] = useUrl(adminRoutingRoute);
  const days = DAYS.find((each) => each === search.days) ?? 7;
  const found = useQuery({
    queryKey: ["get", "/api/routing/policies", "report", policy.id, days],
    queryFn: () =>
      data(
        api.GET("/api/routing/policies/{policy_id}/report", {
          params: { path: { policy_id: policy.id }, query: { days } },
        }),
      ),
    placeholderData: keepPreviousData,
  });
  return (
    <Stack>
      <Group justify="space-between">
        <Text size="sm" c="dimmed">
          {t("report.about")}
        </Text>
        <SegmentedControl
          size="xs"
          aria-label={t("report.days")}
          data={DAYS.map((each) => ({ value: String(each), label: t("report.lastDays", { count: each }) }))}
          value={String(days)}
          onChange={(next) => setSearch({ days: next === "7" ? undefined : Number(next) })}
        />
      </Group>
      <Loaded query={found}>
        {(view) =>
          view.arms.length === 0 ? (
            <Empty title={t("report.empty")} text={t("report.emptyText")} />
          ) : (
            <ArmsReport arms={[...view.arms]} />
          )
        }
      </Loaded>
    </Stack>
  );
}

type ArmView = Schema["ArmView"];

function ArmsReport({ arms }: { arms: ArmView[] }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  const requests = arms.reduce((sum, arm) => sum + arm.requests, 0);
  const shares = arms.reduce((sum, arm) => sum + (arm.share ?? 0), 0);
  const wanted = (arm: ArmView) => (arm.share === null || shares === 0 ? null : arm.share / shares);
  const had = (arm: ArmView) => (requests === 0 ? null : arm.requests / requests);
  const dash = <span className="tg-dim">–</span>;
  const shown = (share: number | null) => (share === null ? dash : percent(share));
  const columns: Column<ArmView>[] = [
    { key: "arm", header: t("adminRouting:policies.arm"), cell: (arm) => arm.arm, csv: (arm) => arm.arm },
    {
      key: "had",
      header: t("adminRouting:report.had"),
      hint: t("adminRouting:report.hadHint"),
      cell: (arm) => shown(had(arm)),
      numeric: true,
    },
    { key: "requests", header: t("common:terms.requests"), cell: (arm) => count(arm.requests), numeric: true },
    {
      key: "failed",
      header: t("adminRouting:models.failed"),
      cell: (arm) => (arm.requests === 0 ? dash : percent(arm.failed / arm.requests)),
      numeric: true,
    },
    {
      key: "attempts",
      header: t("adminRouting:report.attempts"),
      cell: (arm) => decimal(arm.attempts_mean),
      numeric: true,
    },
    {
      key: "firstByte",
      header: t("common:terms.firstByte"),
      hint: t("adminRouting:report.mean"),
      cell: (arm) =>
        arm.requests === 0 ? dash : <span className="tg-nowrap">{milliseconds(arm.first_byte_milliseconds_mean)}</span>,
      numeric: true,
    },
    {
      key: "latency",
      header: t("common:terms.latency"),
      hint: t("adminRouting:report.mean"),
      cell: (arm) =>
        arm.requests === 0 ? dash : <span className="tg-nowrap">{milliseconds(arm.latency_milliseconds_mean)}</span>,
      numeric: true,
    },
    {
      key: "tokens",
      header: t("common:terms.tokens"),
      hint: t("adminRouting:report.mean"),
      cell: (arm) => count(arm.tokens_mean),
      numeric: true,
    },
    {
      key: "charged",
      header: t("common:terms.charge"),
      cell: (arm) => <Money value={arm.charged} />,
      numeric: true,
    },
    { key: "cost", header: t("common:terms.cost"), cell: (arm) => <Money value={arm.cost} />, numeric: true },
    { key: "margin", header: t("common:terms.margin"), cell: (arm) => <Money value={arm.margin} />, numeric: true },
  ];
  return (
    <Stack>
      <DataTable
        plain
        id="arms"
        caption={t("adminRouting:policies.experiment")}
        columns={columns}
        listing={wholeListing(arms)}
        rowId={(arm) => arm.arm}
      />
      <Chart
        title={t("adminRouting:report.split")}
        unit={t("adminRouting:charts.shareUnit")}
        kind="bars"
        categories
        domain={[0, 1]}
        axis={(figure) => percent(figure, 0)}
        points={arms.map((arm) => ({ at: arm.arm, values: { wanted: wanted(arm), had: had(arm) } }))}
        series={[
          { key: "wanted", label: t("adminRouting:report.wanted") },
          { key: "had", label: t("adminRouting:report.had") },
        ]}
        format={(figure) => percent(figure as number)}
      />
    </Stack>
  );
}
