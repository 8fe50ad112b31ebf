import { Anchor, Paper, Stack, Table, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Status, type Tone } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { listed } from "~/lib/format";

const TONES: Record<Schema["HealthView"]["state"], Tone> = {
  sound: "good",
  recovering: "warn",
  out: "bad",
  paused: "warn",
};

/** What a person should look at: alerts, channels that the machine mistrusts, models without a price. */
export function Attention(props: { overview: Schema["Overview"] }) {
  const { t } = useTranslation(["adminOverview", "common"]);
  const { overview } = props;
  const unpriced = overview.requests.unpriced;
  const isQuiet =
    overview.open_alerts === 0 &&
    overview.failing_channels.length === 0 &&
    overview.unpriced_models.length === 0 &&
    unpriced === 0;
  if (isQuiet)
    return (
      <Text component="div" size="sm">
        <Status tone="good">{t("allWell")}</Status>
      </Text>
    );
  return (
    <Paper p="md">
      <Title order={2} mb="xs">
        {t("attention")}
      </Title>
      <Stack gap="xs">
        {overview.open_alerts > 0 && (
          <Anchor component={Link} to="/admin/alerts" size="sm" w="fit-content">
            <Status tone="bad">{t("openAlerts", { count: overview.open_alerts })}</Status>
          </Anchor>
        )}
        {overview.unpriced_models.length > 0 && (
          <Anchor component={Link} to="/admin/prices" size="sm" w="fit-content">
            <Status tone="warn" wrap>
              {t("unpricedModels", {
                count: overview.unpriced_models.length,
                models: listed(overview.unpriced_models),
              })}
            </Status>
          </Anchor>
        )}
        {unpriced > 0 && <Status tone="warn">{t("unpricedRequests", { count: unpriced })}</Status>}
        {overview.failing_channels.length > 0 && (
          <Table className="tg-table" data-density="compact">
            <Table.Caption className="tg-hidden">{t("channelsFailing")}</Table.Caption>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("common:terms.channel")}</Table.Th>
                <Table.Th>{t("common:terms.status")}</Table.Th>
                <Table.Th>{t("cause")}</Table.Th>
                <Table.Th>{t("until")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {overview.failing_channels.map(({ channel_id, name, health }) => (
                <Table.Tr key={channel_id}>
                  <Table.Td>
                    <Anchor component={Link} to="/admin/channels" size="sm">
                      {name}
                    </Anchor>
                  </Table.Td>
                  <Table.Td>
                    <Status tone={TONES[health.state]}>
                      {t(`channelState.${health.state}`, { percent: health.percent })}
                    </Status>
                  </Table.Td>
                  <Table.Td>{health.cause ?? "–"}</Table.Td>
                  <Table.Td>{health.paused_until ? <Time at={health.paused_until} /> : "–"}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Stack>
    </Paper>
  );
}
