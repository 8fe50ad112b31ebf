import { Alert, Anchor, Group, Paper, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Empty } from "~/kit/Empty";
import { Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Loaded } from "~/kit/Loaded";
import { Page, Section } from "~/kit/Page";
import { Scroll } from "~/kit/Scroll";
import { Time } from "~/kit/Time";
import { date, milliseconds } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { Availability, ModelState } from "~/parts/Availability";
import { meanPercent } from "~/parts/meanPercent";
import { address } from "~/site";
import { publicStatusRoute } from "./routes";

type Status = Schema["StatusView"];
type Model = Schema["ModelStatus"];
const STATES = ["up", "degraded", "down", "quiet"] as const;

export default function PublicStatusPage() {
  const { t } = useTranslation("publicStatus");
  const query = useQuery({
    queryKey: ["get", "/api/public/status"],
    queryFn: () => data(api.GET("/api/public/status")),
    refetchInterval: 60_000,
    retry: false,
  });
  const isClosed = query.error !== null && asProblem(query.error).status === 404;
  return (
    <Page
      title={t("title")}
      about={t("about")}
      actions={
        !isClosed && (
          <Group gap="md">
            <Anchor size="sm" href={address("api/public/status")}>
              {t("json")}
            </Anchor>
            <Anchor size="sm" href={address("api/public/status.atom")}>
              {t("atom")}
            </Anchor>
          </Group>
        )
      }
    >
      {isClosed ? (
        <Empty title={t("closed")} text={t("closedText")} />
      ) : (
        <Loaded query={query}>{(status) => <Whole status={status} />}</Loaded>
      )}
    </Page>
  );
}

function Whole({ status }: { status: Status }) {
  const { t } = useTranslation(["publicStatus", "account", "common"]);
  const [search, setSearch] = useUrl(publicStatusRoute);
  const down = status.models.filter((each) => each.state === "down");
  const degraded = status.models.filter((each) => each.state === "degraded");
  const open = status.incidents.filter((each) => each.ended_at === null);
  const wanted = search.search?.toLowerCase();
  const shown = status.models
    .filter((each) => !wanted || each.model.toLowerCase().includes(wanted))
    .filter((each) => !search.state || each.state === search.state);
  if (status.models.length === 0) return <Empty title={t("publicStatus:empty")} text={t("publicStatus:emptyText")} />;
  return (
    <Stack gap="lg">
      {down.length + open.length > 0 ? (
        <Alert
          color="red"
          icon={<Icon name="warning" />}
          title={t("publicStatus:down", { count: Math.max(1, down.length) })}
        >
          {[...new Set([...down.map((each) => each.model), ...open.map((each) => each.model)])].join(", ")}
        </Alert>
      ) : degraded.length > 0 ? (
        <Alert
          color="yellow"
          icon={<Icon name="warning" />}
          title={t("publicStatus:degraded", { count: degraded.length })}
        >
          {degraded.map((each) => each.model).join(", ")}
        </Alert>
      ) : (
        <Alert color="green" icon={<Icon name="check" />} title={t("publicStatus:allUp")} />
      )}
      <Group justify="space-between">
        <Filters
          fields={[
            { key: "search", kind: "text", label: t("publicStatus:find"), isSearch: true },
            {
              key: "state",
              kind: "choice",
              label: t("common:terms.status"),
              options: STATES.map((each) => ({ value: each, label: t(`account:modelStates.${each}`) })),
            },
          ]}
          value={search}
          onChange={setSearch}
        />
        <Text size="xs" c="dimmed">
          {t("publicStatus:updated")} <Time at={status.at} form="full" />
        </Text>
      </Group>
      {shown.length === 0 && <Empty title={t("publicStatus:none")} />}
      <div className="tg-status-list">
        {shown.map((model) => (
          <ModelCard key={model.model} model={model} />
        ))}
      </div>
      <Text size="xs" c="dimmed">
        {t("publicStatus:rule")}
      </Text>
      <Incidents incidents={status.incidents} />
    </Stack>
  );
}

function ModelCard({ model }: { model: Model }) {
  const { t } = useTranslation(["publicStatus", "common"]);
  const speed = [
    model.first_byte_p50 !== null && t("publicStatus:half", { time: milliseconds(model.first_byte_p50) }),
    model.first_byte_p95 !== null && t("publicStatus:most", { time: milliseconds(model.first_byte_p95) }),
  ].filter((each): each is string => Boolean(each));
  return (
    <Paper p="md">
      <Group justify="space-between" mb={8} wrap="nowrap">
        <Title order={2} size="h3" className="tg-break">
          {model.model}
        </Title>
        <ModelState state={model.state} />
      </Group>
      <Availability
        cells={model.days.map((day) => day.available_percent)}
        titles={model.days.map((day) => date(`${day.day}T12:00:00Z`, "UTC"))}
        label={model.model}
        total={meanPercent(model.days.map((day) => day.available_percent))}
        wide
      />
      <Group justify="space-between" mt={4}>
        <Text size="xs" c="dimmed">
          {t("publicStatus:days", { count: model.days.length })}
        </Text>
        <Text size="xs" c="dimmed">
          {speed.length ? `${t("common:terms.firstByte")}: ${speed.join(", ")}` : ""}
        </Text>
      </Group>
    </Paper>
  );
}

function Incidents({ incidents }: { incidents: Status["incidents"] }) {
  const { t } = useTranslation(["publicStatus", "common"]);
  return (
    <Section title={t("publicStatus:incidents")} about={t("publicStatus:incidentsAbout")}>
      {incidents.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t("publicStatus:noIncidents")}
        </Text>
      ) : (
        <Paper className="tg-table-card" p={0}>
          <Scroll label={t("publicStatus:incidents")}>
            <Table className="tg-table" data-density="compact">
              <Table.Caption className="tg-hidden">{t("publicStatus:incidents")}</Table.Caption>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("common:terms.model")}</Table.Th>
                  <Table.Th>{t("publicStatus:began")}</Table.Th>
                  <Table.Th>{t("publicStatus:ended")}</Table.Th>
                  <Table.Th className="tg-num">{t("publicStatus:lasted")}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {incidents.map((each) => (
                  <Table.Tr key={each.id}>
                    <Table.Td>{each.model}</Table.Td>
                    <Table.Td>
                      <Time at={each.began_at} form="full" />
                    </Table.Td>
                    <Table.Td>
                      {each.ended_at ? <Time at={each.ended_at} form="full" /> : t("publicStatus:goesOn")}
                    </Table.Td>
                    <Table.Td className="tg-num">
                      {milliseconds(
                        (each.ended_at ? Date.parse(each.ended_at) : Date.now()) - Date.parse(each.began_at),
                      )}
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Scroll>
        </Paper>
      )}
    </Section>
  );
}
