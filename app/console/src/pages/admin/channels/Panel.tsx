import { Badge, Button, Group, Stack, Table, Tabs, Text, Textarea, Timeline } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api, data, ifMatch, type Schema } from "~/api/client";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { Empty } from "~/kit/Empty";
import { Failure } from "~/kit/Failure";
import { FormModal } from "~/kit/Form";
import { History } from "~/kit/History";
import { Icon } from "~/kit/Icon";
import { Loaded } from "~/kit/Loaded";
import { SidePanel } from "~/kit/SidePanel";
import { Stat, Stats } from "~/kit/Stat";
import { Time } from "~/kit/Time";
import { count, listed, milliseconds, money } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useMay } from "~/session/session";
import { ChannelForm, TestOutcome } from "./ChannelForm";
import { type Channel, channelsChanged, readChannel, useKinds, useStrips } from "./channel";
import { HealthState } from "./HealthState";
import { adminChannelsRoute } from "./routes";
import { StripView } from "./StripView";

/** One channel: how it is, what it is, who changed it. */
export function ChannelPanel(props: { id: string | undefined; onClose: () => void }) {
  const { t } = useTranslation("common");
  const found = useQuery({
    queryKey: ["channel", props.id],
    queryFn: () => readChannel(props.id as string),
    enabled: props.id !== undefined,
  });
  return (
    <SidePanel
      opened={props.id !== undefined}
      onClose={props.onClose}
      title={found.data?.name ?? t("terms.channel")}
      wide
    >
      <Loaded query={found}>{(channel) => <Details key={channel.id} channel={channel} />}</Loaded>
    </SidePanel>
  );
}

type Doing = "change" | "key" | "reset" | "archive" | null;

function Details({ channel }: { channel: Channel }) {
  const { t } = useTranslation(["adminChannels", "kit"]);
  const [search, setSearch] = useUrl(adminChannelsRoute);
  const [doing, setDoing] = useState<Doing>(null);
  const close = () => setDoing(null);
  return (
    <Stack>
      <Actions channel={channel} onDo={setDoing} />
      <Tabs
        value={search.tab ?? "overview"}
        onChange={(tab) => setSearch({ tab: tab === "overview" ? undefined : (tab as "health") })}
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="overview">{t("adminChannels:tabs.overview")}</Tabs.Tab>
          <Tabs.Tab value="health">{t("adminChannels:tabs.health")}</Tabs.Tab>
          <Tabs.Tab value="history">{t("adminChannels:tabs.history")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="overview" pt="md">
          <Overview channel={channel} />
        </Tabs.Panel>
        <Tabs.Panel value="health" pt="md">
          <HealthTimeline channelId={channel.id} />
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History path="/api/channels/{channel_id}/history" params={{ channel_id: channel.id }} />
        </Tabs.Panel>
      </Tabs>
      <ChannelForm opened={doing === "change"} onClose={close} channel={channel} />
      <NewKey channel={channel} opened={doing === "key"} onClose={close} />
      <ConfirmDanger
        opened={doing === "reset"}
        onClose={close}
        title={t("adminChannels:reset.title", { name: channel.name })}
        effect={<Text size="sm">{t("adminChannels:reset.effect", { weight: count(channel.weight) })}</Text>}
        word={channel.name}
        submit={t("adminChannels:reset.submit")}
        onConfirm={async (call) => {
          await api.POST("/api/channels/{channel_id}/health/reset", {
            params: { path: { channel_id: channel.id } },
            body: { reason: call.reason },
          });
          channelsChanged();
        }}
      />
      <ConfirmDanger
        opened={doing === "archive"}
        onClose={close}
        title={t("adminChannels:archive.title", { name: channel.name })}
        effect={<Text size="sm">{t("adminChannels:archive.effect", { count: channel.models.length })}</Text>}
        word={channel.name}
        submit={t("adminChannels:archive.submit")}
        entity={channel}
        reload={() => readChannel(channel.id)}
        onConfirm={async (call) => {
          await api.DELETE("/api/channels/{channel_id}", {
            params: {
              path: { channel_id: channel.id },
              header: { "If-Match": call.ifMatch },
              query: { reason: call.reason },
            },
          });
          channelsChanged();
        }}
      />
    </Stack>
  );
}

function Actions(props: { channel: Channel; onDo: (what: Doing) => void }) {
  const { t } = useTranslation("adminChannels");
  const may = useMay();
  const { channel } = props;
  const [outcome, setOutcome] = useState<Schema["ChannelTestView"] | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [busy, setBusy] = useState<string | null>(null);
  const { kinds } = useKinds();
  const run = async (what: string, work: () => Promise<void>) => {
    setBusy(what);
    setProblem(null);
    try {
      await work();
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(null);
    }
  };
  const test = () =>
    run("test", async () =>
      setOutcome(
        await data(
          api.POST("/api/channels/{channel_id}/test", {
            params: { path: { channel_id: channel.id } },
            body: { key_number: 1 },
          }),
        ),
      ),
    );
  const toggle = () =>
    run("toggle", async () => {
      await api.PATCH("/api/channels/{channel_id}", {
        params: { path: { channel_id: channel.id }, header: { "If-Match": ifMatch(channel) } },
        body: { enabled: !channel.enabled },
      });
      channelsChanged();
    });
  const balance = () =>
    run("balance", async () => {
      const left = await data(
        api.GET("/api/channels/{channel_id}/balance", { params: { path: { channel_id: channel.id } } }),
      );
      notifications.show({
        title: t("facts.vendorBalance"),
        message: left.items.length
          ? listed(left.items.map((each) => money(each.amount, each.currency)))
          : t("facts.unknown"),
        autoClose: 15_000,
      });
    });
  const restore = () =>
    run("restore", async () => {
      await api.POST("/api/channels/{entity_id}/restore", {
        params: { path: { entity_id: channel.id }, header: { "If-Match": ifMatch(channel) } },
      } as never);
      channelsChanged();
    });
  const small = { variant: "default", size: "xs" } as const;
  if (!may("channel:write")) return null;
  return (
    <Stack gap="xs">
      <Group gap="xs">
        {channel.archived ? (
          <Button {...small} onClick={restore} loading={busy === "restore"}>
            {t("actions.restore")}
          </Button>
        ) : (
          <>
            <Button {...small} leftSection={<Icon name="pulse" size={14} />} onClick={test} loading={busy === "test"}>
              {t("actions.test")}
            </Button>
            <Button {...small} leftSection={<Icon name="edit" size={14} />} onClick={() => props.onDo("change")}>
              {t("actions.change")}
            </Button>
            <Button {...small} leftSection={<Icon name="key" size={14} />} onClick={() => props.onDo("key")}>
              {t("actions.key")}
            </Button>
            <Button {...small} onClick={toggle} loading={busy === "toggle"}>
              {channel.enabled ? t("actions.off") : t("actions.on")}
            </Button>
            <Button {...small} onClick={() => props.onDo("reset")}>
              {t("actions.reset")}
            </Button>
            {kinds.find((each) => each.name === channel.type)?.tells_balance && (
              <Button {...small} onClick={balance} loading={busy === "balance"}>
                {t("actions.balance")}
              </Button>
            )}
            <Button size="xs" color="red" variant="light" onClick={() => props.onDo("archive")}>
              {t("actions.archive")}
            </Button>
          </>
        )}
      </Group>
      {outcome && <TestOutcome outcome={outcome} />}
      {problem !== null && <Failure problem={problem} />}
    </Stack>
  );
}

function Overview({ channel }: { channel: Channel }) {
  const { t } = useTranslation(["adminChannels", "common"]);
  const { titleOf } = useKinds();
  const health = useQuery({
    queryKey: ["get", "/api/channels/{channel_id}/health", channel.id],
    queryFn: () => data(api.GET("/api/channels/{channel_id}/health", { params: { path: { channel_id: channel.id } } })),
    refetchInterval: 10_000,
  }).data;
  const strips = useStrips().data;
  const strip = strips?.channels.find((each) => each.channel_id === channel.id);
  const { limits } = channel;
  const limitText = [
    limits.requests_per_minute && `${t("adminChannels:form.rpm")}: ${count(limits.requests_per_minute)}`,
    limits.tokens_per_minute && `${t("adminChannels:form.tpm")}: ${count(limits.tokens_per_minute)}`,
    limits.concurrency && `${t("adminChannels:form.concurrency")}: ${count(limits.concurrency)}`,
  ].filter(Boolean);
  const rows: [string, ReactNode][] = [
    [t("adminChannels:columns.type"), titleOf(channel.type)],
    [t("adminChannels:form.baseUrl"), channel.base_url || <span className="tg-dim">{t("common:none")}</span>],
    [
      t("adminChannels:facts.keyHint"),
      <span key="key">
        <code>{channel.key_hint || "–"}</code>{" "}
        <span className="tg-dim">{t("adminChannels:facts.keyVersion", { version: channel.key_version })}</span>
      </span>,
    ],
    [t("adminChannels:columns.models"), channel.models.length ? listed([...channel.models]) : t("common:none")],
    [
      t("adminChannels:form.map"),
      Object.entries(channel.model_map).length
        ? listed(
            Object.entries(channel.model_map).map(([name, vendor]) =>
              t("adminChannels:facts.mapped", { name, vendor }),
            ),
          )
        : t("common:none"),
    ],
    [t("adminChannels:columns.groups"), listed([...channel.channel_groups])],
    [t("adminChannels:columns.priority"), count(channel.priority)],
    [t("adminChannels:form.limits"), limitText.length ? listed(limitText as string[]) : t("common:unlimited")],
    [
      t("adminChannels:form.context"),
      channel.context_tokens_max ? count(channel.context_tokens_max) : t("adminChannels:facts.unknown"),
    ],
    [t("adminChannels:facts.created"), <Time key="created" at={channel.created_at} form="full" />],
    [t("adminChannels:facts.updated"), <Time key="updated" at={channel.updated_at} form="full" />],
  ];
  return (
    <Stack>
      <Stats>
        <Stat
          label={t("adminChannels:columns.state")}
          value={<HealthState channel={channel} health={health?.health ?? null} />}
          note={health?.health.cause ?? undefined}
        />
        <Stat
          label={t("adminChannels:facts.weight")}
          value={t("adminChannels:facts.weightOf", {
            now: count(health?.weight_effective ?? channel.weight),
            set: count(channel.weight),
          })}
        />
        <Stat
          label={t("adminChannels:facts.firstByte")}
          value={
            health?.first_byte_milliseconds != null
              ? milliseconds(health.first_byte_milliseconds)
              : t("adminChannels:facts.unknown")
          }
        />
        <Stat label={t("adminChannels:facts.inFlight")} value={count(health?.in_flight ?? 0)} />
      </Stats>
      {strip && strips && (
        <figure className="tg-strip-figure">
          <figcaption>{t("adminChannels:strip.title")}</figcaption>
          <StripView strip={strip} startsAt={strips.starts_at} minutes={strips.cell_minutes} height={32} />
        </figure>
      )}
      <Table className="tg-table tg-facts">
        <Table.Tbody>
          {rows.map(([label, value]) => (
            <Table.Tr key={label}>
              <Table.Th scope="row">{label}</Table.Th>
              <Table.Td className="tg-wrap">{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Stack>
  );
}

function HealthTimeline({ channelId }: { channelId: string }) {
  const { t } = useTranslation("adminChannels");
  const found = useQuery({
    queryKey: ["get", "/api/channels/{channel_id}/health", channelId, { limit: 100 }],
    queryFn: () =>
      data(
        api.GET("/api/channels/{channel_id}/health", {
          params: { path: { channel_id: channelId }, query: { limit: 100 } },
        }),
      ),
  });
  return (
    <Loaded query={found}>
      {(health) =>
        health.timeline.length === 0 ? (
          <Empty title={t("timeline.empty")} />
        ) : (
          <Timeline bulletSize={14} lineWidth={2}>
            {health.timeline.map((entry) => (
              <Timeline.Item key={`${entry.at}-${entry.key}-${entry.kind}`}>
                <Group gap="xs">
                  <Badge size="sm" variant="light" color={entry.kind === "probed" ? "gray" : undefined}>
                    {entry.is_probe ? t("timeline.probe") : t("timeline.changed")}
                  </Badge>
                  <Time at={entry.at} form="full" />
                  {entry.key > 0 && <Text size="sm">{t("timeline.key", { number: entry.key })}</Text>}
                  {entry.before && <HealthState health={entry.before} />}
                  {entry.before && entry.after && <Icon name="right" size={12} />}
                  {entry.after && <HealthState health={entry.after} />}
                </Group>
                <Text size="xs" c="dimmed">
                  {[
                    [entry.outcome, entry.status || "", entry.code].filter(Boolean).join(" "),
                    entry.latency_milliseconds !== null ? milliseconds(entry.latency_milliseconds) : "",
                    entry.reason,
                    entry.actor ? t("timeline.by", { who: entry.actor }) : "",
                    entry.node ? t("timeline.node", { node: entry.node }) : "",
                  ]
                    .filter(Boolean)
                    .join(" · ")}
                </Text>
              </Timeline.Item>
            ))}
          </Timeline>
        )
      }
    </Loaded>
  );
}

function NewKey(props: { channel: Channel; opened: boolean; onClose: () => void }) {
  const { t } = useTranslation("adminChannels");
  const { channel } = props;
  return (
    <FormModal
      opened={props.opened}
      onClose={props.onClose}
      title={t("keyForm.title", { name: channel.name })}
      about={t("keyForm.about")}
      submit={t("keyForm.submit")}
      initial={{ key: "" }}
      validate={{ key: (key) => (key.trim() ? null : t("form.keyNeeded")) }}
      entity={channel}
      reload={() => readChannel(channel.id)}
      reason
      onSubmit={async (values, call) => {
        await api.POST("/api/channels/{channel_id}/key", {
          params: { path: { channel_id: channel.id }, header: { "If-Match": call.ifMatch } },
          body: { key: values.key.trim(), reason: call.reason },
        });
        channelsChanged();
      }}
    >
      {(form) => (
        <Textarea
          label={t("form.key")}
          description={t("form.keys")}
          autosize
          minRows={1}
          autoComplete="off"
          spellCheck={false}
          className="tg-secret"
          {...form.getInputProps("key")}
        />
      )}
    </FormModal>
  );
}
