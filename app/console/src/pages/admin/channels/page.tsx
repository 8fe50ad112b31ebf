import { Badge, Button, Group, NumberInput, Stack, TagsInput, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { useListing } from "~/api/listing";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Chart, type Point } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Empty } from "~/kit/Empty";
import { Failure } from "~/kit/Failure";
import { type FilterField, Filters } from "~/kit/Filters";
import { FormModal } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { count, listed, milliseconds, percent } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useTop } from "~/parts/usage";
import { useMay } from "~/session/session";
import { ChannelForm } from "./ChannelForm";
import { type Channel, channelsChanged, sum, useChannelGroups, useKinds, useStrips } from "./channel";
import { HealthState } from "./HealthState";
import { ChannelPanel } from "./Panel";
import { adminChannelsRoute } from "./routes";
import { StripView } from "./StripView";

const HOURS_24 = 86_400_000;

export default function AdminChannelsPage() {
  const { t } = useTranslation(["adminChannels", "common"]);
  const [search, setSearch] = useUrl(adminChannelsRoute);
  const may = useMay();
  const { kinds, wordsOf, titleOf } = useKinds();
  const groups = useChannelGroups();
  const strips = useStrips().data;
  const [chosen, setChosen] = useState(new Set<string>());
  // The costs of a day back from the hour: a moment that stays while the page is looked at.
  const [from] = useState(() => new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - HOURS_24).toISOString());
  const costs = useTop({ by: "channel", from, limit: 500 }).data;
  const filters = {
    search: search.search,
    type: search.type,
    channel_group: search.group,
    model: search.model,
    enabled: search.enabled,
    include_archived: search.archived,
  };
  const listing = useListing("/api/channels", { query: { ...filters, sort: search.sort }, refetchInterval: 30_000 });
  const stripOf = (channel: Channel) => strips?.channels.find((each) => each.channel_id === channel.id);
  const costOf = (channel: Channel) => costs?.rows.find((each) => each.keys.channel === channel.id)?.sums;
  const healthOf = (channel: Channel) => {
    const last = strips?.breakers.find((each) => each.channel_id === channel.id && each.key === 0);
    return last?.after ?? null;
  };
  const fields: FilterField[] = [
    { key: "search", kind: "text", label: t("common:search"), isSearch: true, width: 180 },
    {
      key: "type",
      kind: "choice",
      label: t("adminChannels:filters.type"),
      options: kinds.map((each) => ({ value: each.name, label: wordsOf(each.title) })),
    },
    {
      key: "group",
      kind: "choice",
      label: t("adminChannels:filters.group"),
      options: [...new Set(["default", ...groups])].map((each) => ({ value: each, label: each })),
      width: 140,
    },
    { key: "model", kind: "text", label: t("adminChannels:filters.model"), width: 140 },
    {
      key: "enabled",
      kind: "flag",
      label: t("adminChannels:filters.enabled"),
      yes: t("common:enabled"),
      no: t("common:disabled"),
      width: 130,
    },
    { key: "archived", kind: "flag", label: t("adminChannels:filters.archived"), width: 110 },
  ];
  const columns: Column<Channel>[] = [
    {
      key: "name",
      header: t("common:name"),
      cell: (row) => row.name,
      csv: (row) => row.name,
      sort: "name",
      fixed: true,
    },
    {
      key: "type",
      header: t("adminChannels:columns.type"),
      cell: (row) => (
        <Group gap={6}>
          <span>{titleOf(row.type)}</span>
          {row.type === "demo" && (
            <Badge size="xs" variant="light" color="orange" miw="max-content">
              {t("adminChannels:demo")}
            </Badge>
          )}
        </Group>
      ),
      csv: (row) => row.type,
    },
    {
      key: "state",
      header: t("adminChannels:columns.state"),
      cell: (row) => <HealthState channel={row} health={healthOf(row)} />,
      csv: (row) => (row.enabled ? (healthOf(row)?.state ?? "sound") : "off"),
    },
    {
      key: "strip",
      header: t("adminChannels:columns.strip"),
      hint: t("adminChannels:strip.about"),
      cell: (row) => {
        const strip = stripOf(row);
        return strip && strips ? (
          <div className="tg-strip-cell">
            <StripView strip={strip} startsAt={strips.starts_at} minutes={strips.cell_minutes} />
          </div>
        ) : (
          <span className="tg-dim">–</span>
        );
      },
    },
    {
      key: "requests",
      header: t("adminChannels:columns.requests"),
      hint: t("adminChannels:columns.dayHint"),
      cell: (row) => count(sum(stripOf(row)?.answered ?? [])),
      csv: (row) => sum(stripOf(row)?.answered ?? []),
      numeric: true,
    },
    {
      key: "errors",
      header: t("adminChannels:columns.errors"),
      hint: t("adminChannels:columns.dayHint"),
      cell: (row) => {
        const failed = sum(stripOf(row)?.failed ?? []);
        const all = failed + sum(stripOf(row)?.answered ?? []);
        return all ? percent(failed / all) : <span className="tg-dim">–</span>;
      },
      csv: (row) => sum(stripOf(row)?.failed ?? []),
      numeric: true,
    },
    {
      key: "inFlight",
      header: t("adminChannels:columns.inFlight"),
      hint: t("adminChannels:facts.inFlight"),
      cell: (row) => count(stripOf(row)?.in_flight ?? 0),
      csv: (row) => stripOf(row)?.in_flight,
      numeric: true,
    },
    {
      key: "cost",
      header: t("adminChannels:columns.cost"),
      hint: t("adminChannels:columns.dayHint"),
      cell: (row) => <Money value={costOf(row)?.cost ?? "0"} />,
      csv: (row) => costOf(row)?.cost ?? "0",
      numeric: true,
    },
    {
      key: "weight",
      header: t("adminChannels:columns.weight"),
      hint: t("adminChannels:columns.weightHint"),
      cell: (row) => {
        const health = healthOf(row);
        const now = row.enabled ? Math.floor((row.weight * (health?.percent ?? 100)) / 100) : 0;
        return now === row.weight
          ? count(row.weight)
          : t("adminChannels:facts.weightOf", { now: count(now), set: count(row.weight) });
      },
      csv: (row) => row.weight,
      numeric: true,
    },
    {
      key: "priority",
      header: t("adminChannels:columns.priority"),
      hint: t("adminChannels:columns.prioHint"),
      cell: (row) => count(row.priority),
      csv: (row) => row.priority,
      numeric: true,
    },
    {
      key: "models",
      header: t("adminChannels:columns.models"),
      cell: (row) => <span title={listed([...row.models])}>{count(row.models.length)}</span>,
      csv: (row) => row.models.join(" "),
      numeric: true,
      hidden: true,
    },
    {
      key: "groups",
      header: t("adminChannels:columns.groups"),
      cell: (row) => listed([...row.channel_groups]),
      csv: (row) => row.channel_groups.join(" "),
    },
    {
      key: "key",
      header: t("adminChannels:columns.key"),
      cell: (row) => <code className="tg-mono">{row.key_hint || "–"}</code>,
      hidden: true,
    },
    {
      key: "updated",
      header: t("common:terms.updated"),
      cell: (row) => <Time at={row.updated_at} form="relative" />,
      csv: (row) => row.updated_at,
      sort: "updated_at",
      hidden: true,
    },
  ];
  const add = may("channel:write") && (
    <Button leftSection={<Icon name="plus" />} onClick={() => setSearch({ new: true }, { push: true })}>
      {t("adminChannels:add")}
    </Button>
  );
  const cleared = {
    search: undefined,
    type: undefined,
    group: undefined,
    model: undefined,
    enabled: undefined,
    archived: undefined,
  };
  return (
    <Page title={t("adminChannels:title")} about={t("adminChannels:about")} actions={add}>
      <DataTable
        id="channels"
        caption={t("adminChannels:title")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.id })) as never })}
        openId={search.row}
        sort={search.sort}
        onSort={(next) => setSearch({ sort: next as typeof search.sort })}
        selection={may("channel:write") ? { chosen, onChange: setChosen } : undefined}
        bulk={<Bulk rows={listing.rows.filter((row) => chosen.has(row.id))} onDone={() => setChosen(new Set())} />}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={Object.keys(cleared).some((key) => search[key as "search"] !== undefined)}
        onClear={() => setSearch(cleared)}
        empty={{
          title: t("adminChannels:emptyTitle"),
          text: t("adminChannels:emptyText"),
          children: add || undefined,
        }}
      />
      <LatencyCharts nameOf={(id) => strips?.channels.find((each) => each.channel_id === id)?.name ?? id} />
      <Breakers />
      <ChannelPanel id={search.row} onClose={() => setSearch({ row: undefined, tab: undefined })} />
      <ChannelForm
        opened={search.new ?? false}
        onClose={() => setSearch({ new: undefined })}
        onMade={(id) => setSearch({ new: undefined, row: id })}
      />
    </Page>
  );
}

/** The same change for all chosen channels, or for none of them. */
function Bulk(props: { rows: Channel[]; onDone: () => void }) {
  const { t } = useTranslation("adminChannels");
  const groups = useChannelGroups();
  const [asking, setAsking] = useState<"weight" | "groups" | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const change = async (to: { enabled?: boolean; weight?: number; channel_groups?: string[] }, reason = "") => {
    await api.PATCH("/api/channels", {
      body: { items: props.rows.map((row) => ({ id: row.id, version: row.version, change: to })), reason },
    });
    notifications.show({ message: t("bulk.done", { count: props.rows.length }) });
    channelsChanged();
    props.onDone();
  };
  const at = (to: Parameters<typeof change>[0]) => {
    setProblem(null);
    change(to).catch((thrown) => setProblem(asProblem(thrown)));
  };
  const small = { size: "xs", variant: "default" } as const;
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Button {...small} onClick={() => at({ enabled: true })}>
          {t("bulk.on")}
        </Button>
        <Button {...small} onClick={() => at({ enabled: false })}>
          {t("bulk.off")}
        </Button>
        <Button {...small} onClick={() => setAsking("weight")}>
          {t("bulk.weight")}
        </Button>
        <Button {...small} onClick={() => setAsking("groups")}>
          {t("bulk.groups")}
        </Button>
      </Group>
      {problem !== null && <Failure problem={problem} compact />}
      <FormModal
        opened={asking === "weight"}
        onClose={() => setAsking(null)}
        title={t("bulk.weight")}
        initial={{ weight: 100 as number | string }}
        reason
        done=""
        onSubmit={(values, call) => change({ weight: Number(values.weight) }, call.reason)}
      >
        {(form) => (
          <NumberInput
            label={t("bulk.newWeight")}
            min={0}
            max={1_000_000}
            allowDecimal={false}
            {...form.getInputProps("weight")}
          />
        )}
      </FormModal>
      <FormModal
        opened={asking === "groups"}
        onClose={() => setAsking(null)}
        title={t("bulk.groups")}
        initial={{ groups: ["default"] }}
        reason
        done=""
        onSubmit={(values, call) => change({ channel_groups: values.groups }, call.reason)}
      >
        {(form) => <TagsInput label={t("bulk.newGroups")} data={groups} {...form.getInputProps("groups")} />}
      </FormModal>
    </Stack>
  );
}

function LatencyCharts(props: { nameOf: (id: string) => string }) {
  const { t } = useTranslation("adminChannels");
  const view = useQuery({
    queryKey: ["get", "/api/reports/latency", "channels"],
    queryFn: () =>
      data(
        api.GET("/api/reports/latency", {
          params: { query: { by: "channel", bucket: "hour", from: new Date(Date.now() - HOURS_24).toISOString() } },
        }),
      ),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  }).data;
  if (!view) return null;
  const ids = [...new Set(view.rows.map((row) => row.keys.channel ?? ""))].filter(Boolean).slice(0, 8);
  const points = (figure: "latency_p95" | "first_byte_p50"): Point[] =>
    view.rows.length === 0
      ? []
      : view.buckets.map((bucket, index) => ({
          at: bucket.starts_at,
          partial: Date.parse(bucket.ends_at) > Date.now(),
          values: Object.fromEntries(
            ids.map((id) => [
              id,
              view.rows.find((row) => row.bucket === index && row.keys.channel === id)?.[figure] ?? null,
            ]),
          ),
        }));
  const series = ids.map((id) => ({ key: id, label: props.nameOf(id) }));
  const shared = {
    unit: t("latency.unit"),
    kind: "lines" as const,
    series,
    format: (figure: number | string) => milliseconds(Number(figure)),
    hours: true,
  };
  return (
    <div className="tg-charts">
      <Chart title={t("latency.title")} points={points("latency_p95")} {...shared} />
      <Chart title={t("latency.firstByte")} points={points("first_byte_p50")} {...shared} />
    </div>
  );
}

function Breakers() {
  const { t } = useTranslation("adminChannels");
  const strips = useStrips().data;
  if (!strips) return null;
  const nameOf = (id: string) => strips.channels.find((each) => each.channel_id === id)?.name ?? id;
  return (
    <Section title={t("strip.breakers")}>
      {strips.breakers.length === 0 ? (
        <Empty title={t("strip.noBreakers")} />
      ) : (
        <ul className="tg-plain-list">
          {strips.breakers.slice(0, 20).map((each) => (
            <li key={`${each.at}-${each.channel_id}-${each.key}`}>
              <Group gap="xs">
                <Time at={each.at} form="relative" />
                <Text size="sm" fw={600}>
                  {nameOf(each.channel_id)}
                </Text>
                {each.key > 0 && <Text size="sm">{t("timeline.key", { number: each.key })}</Text>}
                <HealthState health={each.before} />
                <Icon name="right" size={12} />
                <HealthState health={each.after} />
                <Text size="sm" c="dimmed">
                  {[each.outcome, each.reason].filter(Boolean).join(" · ")}
                </Text>
              </Group>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
