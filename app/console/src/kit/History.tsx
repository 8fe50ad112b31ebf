import { Badge, Group, Text, Timeline } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "~/api/client";
import type { paths } from "~/api/schema";
import { useTranslation } from "~/i18n/use";
import { Empty } from "./Empty";
import { JsonDiff } from "./JsonDiff";
import { Loaded } from "./Loaded";
import { Time } from "./Time";
import { Who } from "./Who";

export type Change = {
  actor: string;
  at: string;
  before: unknown;
  after: unknown;
  reason: string;
  type: string;
  version: number;
  event_id: string;
};

type HistoryPath = Extract<keyof paths, `${string}/history`>;
type PathOf<P extends HistoryPath> = paths[P] extends { get: { parameters: { path: infer A } } } ? A : never;

/** Who changed a thing, when, why, and what: `<History path="/api/tenants/{tenant_id}/history" params={{ tenant_id }} />`. */
export function History<P extends HistoryPath>(props: { path: P; params: PathOf<P>; limit?: number }) {
  const query = useQuery({
    queryKey: ["get", props.path, props.params, "history"],
    queryFn: async ({ signal }) => {
      const get = api.GET as unknown as (path: string, init: unknown) => Promise<{ data: { items: Change[] } }>;
      const init = { params: { path: props.params, query: { limit: props.limit ?? 50 } }, signal };
      return (await get(props.path, init)).data.items;
    },
  });
  return <Loaded query={query}>{(items) => <Changes items={items} />}</Loaded>;
}

/** The same for changes that the page has read itself. The newest first, as the API gives them. */
export function Changes(props: { items: Change[] }) {
  const { t } = useTranslation("kit");
  if (props.items.length === 0) return <Empty title={t("history.empty")} />;
  return (
    <Timeline bulletSize={14} lineWidth={2}>
      {props.items.map((item) => (
        <Timeline.Item key={item.event_id}>
          <Group gap="xs">
            <Badge size="sm" variant="light" color={item.after === null ? "orange" : undefined}>
              {item.before === null
                ? t("history.created")
                : item.after === null
                  ? t("history.archived")
                  : t("history.changed")}
            </Badge>
            <Time at={item.at} form="full" />
            <Text size="sm" component="span" fw={600}>
              <Who actor={item.actor} />
            </Text>
            <Text size="xs" c="dimmed">
              {t("history.version", { version: item.version })}
            </Text>
          </Group>
          <Text size="sm" c={item.reason ? undefined : "dimmed"} fs={item.reason ? "italic" : undefined}>
            {item.reason || t("history.noReason")}
          </Text>
          <JsonDiff before={item.before} after={item.after} />
        </Timeline.Item>
      ))}
    </Timeline>
  );
}
