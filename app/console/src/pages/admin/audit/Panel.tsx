import { Anchor, Button, Group, Stack, Table, Tabs, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api, data, type Schema } from "~/api/client";
import { ApiProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Code } from "~/kit/Code";
import { Empty } from "~/kit/Empty";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { JsonDiff } from "~/kit/JsonDiff";
import { Loaded } from "~/kit/Loaded";
import { Section } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { Status } from "~/kit/Status";
import { Time, useZone } from "~/kit/Time";
import { useUrl } from "~/lib/url";
import { instantOf, wallTime } from "~/lib/wallTime";
import { adminAuditRoute } from "./routes";
import { hasState, useWords } from "./words";

type Item = Schema["AuditItem"];

/** One change: who, why, from where, before and after; and the thing as it was at any moment. */
export function AuditPanel(props: { item: Item | undefined; tenant: string }) {
  const { t } = useTranslation("adminAudit");
  const [search, setSearch] = useUrl(adminAuditRoute);
  const words = useWords();
  const { item } = props;
  const close = () => setSearch({ row: undefined, tab: undefined, at: undefined });
  return (
    <SidePanel
      opened={item !== undefined}
      onClose={close}
      title={item ? `${words.action(item.action)} · ${words.kind(item.kind)}` : ""}
      wide
    >
      {item && (
        <Tabs
          value={hasState(item.kind) ? (search.tab ?? "change") : "change"}
          onChange={(tab) => setSearch({ tab: tab === "state" ? "state" : undefined })}
          keepMounted={false}
        >
          <Tabs.List>
            <Tabs.Tab value="change">{t("change")}</Tabs.Tab>
            {hasState(item.kind) && <Tabs.Tab value="state">{t("stateAsOf")}</Tabs.Tab>}
          </Tabs.List>
          <Tabs.Panel value="change" pt="md">
            <Change item={item} tenant={props.tenant} />
          </Tabs.Panel>
          <Tabs.Panel value="state" pt="md">
            <StateAsOf item={item} />
          </Tabs.Panel>
        </Tabs>
      )}
    </SidePanel>
  );
}

function Change(props: { item: Item; tenant: string }) {
  const { t } = useTranslation(["adminAudit", "common"]);
  const words = useWords();
  const { item } = props;
  const rows: [string, ReactNode][] = [
    [t("common:terms.time"), <Time key="at" at={item.at} form="full" />],
    [t("adminAudit:who"), words.who(item)],
    [t("adminAudit:what"), words.name(item) || <Id key="what" value={item.entity_id} />],
    [t("adminAudit:entity"), <Id key="entity" value={item.entity_id} />],
    [t("common:terms.tenant"), props.tenant],
    [t("common:reason"), item.reason || "–"],
    [t("adminAudit:address"), item.address || "–"],
    [t("adminAudit:event"), <Id key="event" value={item.event_id} />],
    [t("adminAudit:type"), <code key="type">{item.type}</code>],
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
      <Anchor
        component={Link}
        to="."
        search={
          ((old: object) => ({
            ...old,
            kind: item.kind,
            entity: item.entity_id,
            row: undefined,
            tab: undefined,
          })) as never
        }
        size="sm"
      >
        {t("adminAudit:allOfThis")}
      </Anchor>
      {item.before === null && item.after === null ? (
        <Text size="sm" c="dimmed">
          {t("adminAudit:noFields")}
        </Text>
      ) : (
        <JsonDiff before={item.before} after={item.after} />
      )}
    </Stack>
  );
}

/** The thing as it was at a moment that one chooses, and what is different today. */
function StateAsOf({ item }: { item: Item }) {
  const { t } = useTranslation(["adminAudit", "common"]);
  const [search, setSearch] = useUrl(adminAuditRoute);
  const zone = useZone();
  const at = search.at ?? item.at;
  const then = useStateAt(item, at);
  const now = useStateAt(item, null);
  const missing = then.error instanceof ApiProblem && then.error.status === 404;
  return (
    <Stack>
      <Group align="flex-end" gap="xs">
        <TextInput
          type="datetime-local"
          label={t("adminAudit:stateAsOf")}
          description={zone}
          value={wallTime(at, zone)}
          max={wallTime(new Date(), zone)}
          onChange={(event) => {
            const wall = event.currentTarget.value;
            if (wall) setSearch({ at: instantOf(wall, zone) });
          }}
        />
        <Button
          variant="default"
          leftSection={<Icon name="clock" size={14} />}
          onClick={() => setSearch({ at: undefined })}
          disabled={search.at === undefined}
        >
          {t("adminAudit:atThisChange")}
        </Button>
      </Group>
      {missing ? (
        <Empty text={t("adminAudit:notThere")} />
      ) : (
        <Loaded query={then}>
          {(state) => (
            <>
              <Group gap="sm">
                {state.archived ? (
                  <Status tone="quiet">{t("adminAudit:wasArchived")}</Status>
                ) : (
                  <Status tone="good">{t("adminAudit:wasThere")}</Status>
                )}
                <Text size="sm" component="div">
                  {t("adminAudit:versionBy", { version: state.version, who: state.actor_login ?? state.actor })}{" "}
                  <Time at={state.since} form="full" />
                </Text>
              </Group>
              {state.reason && (
                <Text size="sm" fs="italic">
                  {state.reason}
                </Text>
              )}
              <Code text={JSON.stringify(state.state, null, 2)} label={t("adminAudit:stateAsOf")} />
              {now.data && (
                <Section title={t("adminAudit:today")}>
                  {now.data.event_id === state.event_id ? (
                    <Text size="sm" c="dimmed">
                      {t("adminAudit:sameToday")}
                    </Text>
                  ) : (
                    <JsonDiff before={state.state} after={now.data.state} />
                  )}
                </Section>
              )}
            </>
          )}
        </Loaded>
      )}
    </Stack>
  );
}

function useStateAt(item: Item, at: string | null) {
  return useQuery({
    queryKey: ["get", "/api/audit/state", item.kind, item.entity_id, at],
    queryFn: () => {
      const query = { kind: item.kind, entity_id: item.entity_id, at: at ?? new Date().toISOString() };
      return data(api.GET("/api/audit/state", { params: { query } }));
    },
    retry: false,
  });
}
