import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { Status } from "~/kit/Status";
import { count, listed, percent } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { usePricesInForce } from "~/parts/cards";
import { groupedPoints, seriesOf, useTop, useUsage } from "~/parts/usage";
import { Explanation } from "./Explanation";
import { adminRoutingRoute } from "./routes";
import { type PublicModel, publicModels, sharePoints, useChannels, useMappings, usePolicies } from "./routing";

/** Every name that clients may ask for, and who serves it. */
export function Models() {
  const { t } = useTranslation(["adminRouting", "common"]);
  const [search, setSearch] = useUrl(adminRoutingRoute);
  const bar = useBar();
  const channels = useChannels();
  const mappings = useMappings();
  const policies = usePolicies();
  const prices = usePricesInForce("sale");
  const used = useTop({ by: "model_asked", from: bar.from, to: bar.to, order: "requests", limit: 500 }).data;
  const all = useMemo(
    () => publicModels(channels.data ?? [], mappings.data ?? [], policies.data ?? []),
    [channels.data, mappings.data, policies.data],
  );
  const sumsOf = (row: PublicModel) => used?.rows.find((each) => each.keys.model_asked === row.model)?.sums;
  const wanted = search.search?.toLowerCase();
  const rows = all.filter(
    (row) =>
      (!wanted || `${row.model} ${row.target}`.toLowerCase().includes(wanted)) &&
      (!search.channel || row.serving.some((each) => each.channel.id === search.channel)),
  );
  const open = all.find((row) => row.model === search.row);
  const isPriced = (row: PublicModel) => !prices || prices.has(row.target) || prices.has(row.model);
  const columns: Column<PublicModel>[] = [
    { key: "model", header: t("common:terms.model"), cell: (row) => row.model, csv: (row) => row.model, fixed: true },
    {
      key: "target",
      header: t("adminRouting:models.target"),
      cell: (row) => (row.target === row.model ? <span className="tg-dim">–</span> : row.target),
      csv: (row) => row.target,
    },
    {
      key: "serving",
      header: t("adminRouting:models.serving"),
      hint: t("adminRouting:models.servingHint"),
      cell: (row) => <ServingCell row={row} />,
      csv: (row) => row.serving.map((each) => each.channel.name).join("; "),
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <State row={row} priced={isPriced(row)} />,
      csv: (row) => row.serving.filter((each) => each.channel.enabled).length,
    },
    {
      key: "policy",
      header: t("adminRouting:models.policy"),
      hint: t("adminRouting:models.policyHint"),
      cell: (row) => <PolicyCell row={row} />,
      csv: (row) => row.policy?.name,
    },
    {
      key: "fallbacks",
      header: t("adminRouting:models.fallbacks"),
      cell: (row) => row.policy?.fallbacks.join(" → ") || <span className="tg-dim">–</span>,
      csv: (row) => row.policy?.fallbacks.join(" "),
    },
    {
      key: "requests",
      header: t("common:terms.requests"),
      cell: (row) => count(sumsOf(row)?.requests ?? 0),
      csv: (row) => sumsOf(row)?.requests ?? 0,
      numeric: true,
    },
    {
      key: "failed",
      header: t("adminRouting:models.failed"),
      hint: t("adminRouting:models.failedHint"),
      cell: (row) => {
        const sums = sumsOf(row);
        const failed = sums ? sums.voids + sums.expired : 0;
        return sums && failed + sums.requests > 0 ? (
          percent(failed / (failed + sums.requests))
        ) : (
          <span className="tg-dim">–</span>
        );
      },
      csv: (row) => (sumsOf(row)?.voids ?? 0) + (sumsOf(row)?.expired ?? 0),
      numeric: true,
    },
    {
      key: "charged",
      header: t("common:terms.charge"),
      cell: (row) => <Money value={sumsOf(row)?.charged ?? "0"} />,
      csv: (row) => sumsOf(row)?.charged ?? "0",
      numeric: true,
      hidden: true,
    },
  ];
  const state = [channels, mappings, policies].find((each) => each.isPending || each.error) ?? channels;
  return (
    <Stack gap="lg">
      <DataTable
        id="models"
        caption={t("adminRouting:tabs.models")}
        columns={columns}
        listing={wholeListing(rows, {
          isPending: state.isPending,
          isFetching: state.isFetching,
          error: state.error,
          refetch: () => Promise.all([channels.refetch(), mappings.refetch(), policies.refetch()]),
          dataUpdatedAt: channels.dataUpdatedAt,
        })}
        rowId={(row) => row.model}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.model })) as never })}
        openId={search.row}
        filters={
          <Filters
            fields={[
              { key: "search", kind: "text", label: t("adminRouting:models.find"), isSearch: true },
              {
                key: "channel",
                kind: "choice",
                label: t("common:terms.channel"),
                options: (channels.data ?? []).map((each) => ({ value: each.id, label: each.name })),
                width: 200,
                searchable: true,
              },
            ]}
            value={search}
            onChange={setSearch}
          />
        }
        filtered={search.search !== undefined || search.channel !== undefined}
        onClear={() => setSearch({ search: undefined, channel: undefined })}
        empty={{
          title: t("adminRouting:models.empty"),
          text: t("adminRouting:models.emptyText"),
          children: (
            <Button component={Link} to="/admin/channels">
              {t("adminRouting:models.connect")}
            </Button>
          ),
        }}
      />
      <div className="tg-charts">
        <RequestsChart />
        <ShareChart nameOf={(id) => channels.data?.find((each) => each.id === id)?.name ?? id} />
      </div>
      <SidePanel
        opened={open !== undefined}
        onClose={() => setSearch({ row: undefined })}
        title={open?.model ?? ""}
        wide
      >
        {open && <Details row={open} nameOf={(id) => channels.data?.find((each) => each.id === id)?.name ?? id} />}
      </SidePanel>
    </Stack>
  );
}

function ServingCell({ row }: { row: PublicModel }) {
  const { t } = useTranslation("adminRouting");
  const shown = row.serving.slice(0, 3);
  if (shown.length === 0) return <span className="tg-dim">–</span>;
  return (
    <Group gap={6}>
      {shown.map(({ channel }) => (
        <Badge
          key={channel.id}
          variant="light"
          color={channel.enabled ? undefined : "gray"}
          className="tg-plain-badge"
          title={t("models.candidate", { priority: channel.priority, weight: count(channel.weight) })}
        >
          {channel.name}
        </Badge>
      ))}
      {row.serving.length > shown.length && (
        <Text size="xs" c="dimmed">
          {t("models.more", { count: row.serving.length - shown.length })}
        </Text>
      )}
    </Group>
  );
}

function State(props: { row: PublicModel; priced: boolean }) {
  const { t } = useTranslation("adminRouting");
  const usable = props.row.serving.filter((each) => each.channel.enabled).length;
  if (usable === 0) return <Status tone="bad">{t("models.unserved")}</Status>;
  if (!props.priced) return <Status tone="warn">{t("models.unpriced")}</Status>;
  if (usable === 1) return <Status tone="info">{t("models.single")}</Status>;
  return <Status tone="good">{t("models.usable", { count: usable })}</Status>;
}

function PolicyCell({ row }: { row: PublicModel }) {
  const { t } = useTranslation("adminRouting");
  return (
    <>
      {row.policy ? (
        <Link
          to="/admin/routing"
          search={{ tab: "policies", row: row.policy.id }}
          className="tg-link"
          title={t(`modes.${row.policy.mode}`)}
        >
          {row.policy.name}
        </Link>
      ) : (
        <span className="tg-dim">{t("policies.default")}</span>
      )}
      {row.special > 0 && (
        <Text component="span" size="xs" c="dimmed">
          {` ${t("models.special", { count: row.special })}`}
        </Text>
      )}
    </>
  );
}

function RequestsChart() {
  const { t } = useTranslation(["adminRouting", "common"]);
  const bar = useBar();
  const usage = useUsage({
    by: "model_asked",
    bucket: bar.bucket,
    from: bar.from,
    to: bar.to,
    zone: bar.zone,
    order: "requests",
    top: 8,
  }).data;
  const { points, keys } = usage ? groupedPoints(usage, "model_asked", (sums) => sums.requests) : NOTHING;
  return (
    <Chart
      title={t("adminRouting:charts.requests")}
      unit={t("adminRouting:charts.requestsUnit")}
      kind="bars"
      stacked
      points={keys.length ? points : []}
      series={seriesOf(keys, (key) => (key === "(rest)" ? t("common:terms.rest") : key))}
      format={(figure) => count(figure as number)}
      totals
    />
  );
}

const NOTHING = { points: [], keys: [] as string[] };

/** Who served what share of the requests, of one model or of all. */
function ShareChart(props: { model?: string; nameOf: (id: string) => string }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  const bar = useBar();
  const usage = useUsage({
    by: "channel",
    bucket: bar.bucket,
    from: bar.from,
    to: bar.to,
    zone: bar.zone,
    order: "requests",
    top: 8,
    model_asked: props.model,
  }).data;
  const { points, keys } = usage ? sharePoints(usage, "channel") : NOTHING;
  return (
    <Chart
      title={t("adminRouting:charts.share")}
      unit={t("adminRouting:charts.shareUnit")}
      kind="area"
      stacked
      domain={[0, 1]}
      axis={(figure) => percent(figure, 0)}
      points={points}
      series={seriesOf(keys, (key) => (key === "(rest)" ? t("common:terms.rest") : props.nameOf(key)))}
      format={(figure) => percent(figure as number)}
    />
  );
}

function Details(props: { row: PublicModel; nameOf: (id: string) => string }) {
  const { t } = useTranslation("adminRouting");
  const { row } = props;
  return (
    <Stack gap="lg">
      <Stack gap={4}>
        {row.target !== row.model && <Text size="sm">{t("models.leadsTo", { target: row.target })}</Text>}
        {row.aliases.length > 0 && (
          <Text size="sm">{t("models.aliases", { count: row.aliases.length, names: listed(row.aliases) })}</Text>
        )}
        <Group gap="xs" mt={4}>
          <Button
            component={Link}
            to="/admin/routing"
            search={{ tab: "explain", model: row.model } as never}
            variant="default"
            size="xs"
            leftSection={<Icon name="route" size={14} />}
          >
            {t("models.explain")}
          </Button>
          <Button
            component={Link}
            to="/admin/prices"
            search={{ tab: "history", model: row.target } as never}
            variant="default"
            size="xs"
            leftSection={<Icon name="tag" size={14} />}
          >
            {t("models.prices")}
          </Button>
        </Group>
      </Stack>
      <Section title={t("models.now")} about={t("models.nowAbout")}>
        <Explanation question={{ model: row.model }} />
      </Section>
      <ShareChart model={row.model} nameOf={props.nameOf} />
    </Stack>
  );
}
