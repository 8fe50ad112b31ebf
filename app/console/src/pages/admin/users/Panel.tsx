import { Button, Group, Stack, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { History } from "~/kit/History";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { SidePanel } from "~/kit/SidePanel";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { useUrl } from "~/lib/url";
import { Facts } from "~/parts/Facts";
import { useTenantDirectory } from "~/parts/tenants";
import { useMay, useMe } from "~/session/session";
import { adminUsersRoute } from "./routes";
import { UserForm } from "./UserForm";
import { firstPassword, readUser, stateOf, TONES, type User, usersChanged } from "./user";

type Session = Schema["OpenSession"];
type Doing = "change" | "password" | "disable" | "archive" | "sessions" | null;

/** One person: what they may do, where they are signed in, who changed what of it. */
export function UserPanel(props: {
  id: string | undefined;
  onClose: () => void;
  onPassword: (login: string, password: string) => void;
}) {
  const { t } = useTranslation("common");
  const found = useQuery({
    queryKey: ["get", "/api/users/{user_id}", props.id ?? ""],
    queryFn: () => data(api.GET("/api/users/{user_id}", { params: { path: { user_id: props.id ?? "" } } })),
    enabled: props.id !== undefined,
  });
  return (
    <SidePanel
      opened={props.id !== undefined}
      onClose={props.onClose}
      title={found.data ? found.data.name || found.data.login : t("terms.user")}
      wide
    >
      <Loaded query={found}>{(user) => <Details key={user.id} user={user} onPassword={props.onPassword} />}</Loaded>
    </SidePanel>
  );
}

function Details(props: { user: User; onPassword: (login: string, password: string) => void }) {
  const { t } = useTranslation(["adminUsers", "common", "kit"]);
  const { user } = props;
  const [search, setSearch] = useUrl(adminUsersRoute);
  const [doing, setDoing] = useState<Doing>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const me = useMe();
  const mayWrite = useMay()("user:write");
  const { nameOf } = useTenantDirectory();
  const path = { user_id: user.id };
  const sessions = useQuery({
    queryKey: ["get", "/api/users/{user_id}/sessions", user.id],
    queryFn: () => data(api.GET("/api/users/{user_id}/sessions", { params: { path } })),
  });
  const open = sessions.data?.items.length ?? 0;
  const close = () => setDoing(null);
  const isMe = user.id === me.user.id;
  const state = stateOf(user);
  const attempt = (call: Promise<unknown>) => {
    setProblem(null);
    call.then(usersChanged, (thrown) => setProblem(asProblem(thrown)));
  };
  const change = (disabled: boolean, ifMatch: string, reason: string) =>
    api.PATCH("/api/users/{user_id}", {
      params: { path, header: { "If-Match": ifMatch } },
      body: { disabled, reason },
    });
  const version = `"${user.version}"`;
  const shared = { onClose: close, word: user.login, reload: () => readUser(user.id) };
  return (
    <Stack>
      <Group justify="space-between">
        <Status tone={TONES[state]}>{t(`adminUsers:states.${state}`)}</Status>
        {mayWrite && (
          <Group gap="xs">
            {user.archived ? (
              <Button
                size="xs"
                variant="default"
                onClick={() =>
                  attempt(
                    api.POST("/api/users/{entity_id}/restore", {
                      params: { path: { entity_id: user.id }, header: { "If-Match": version } },
                      body: {},
                    }),
                  )
                }
              >
                {t("common:restore")}
              </Button>
            ) : (
              <>
                <Button
                  size="xs"
                  variant="default"
                  leftSection={<Icon name="edit" size={14} />}
                  onClick={() => setDoing("change")}
                >
                  {t("common:edit")}
                </Button>
                {!isMe && (
                  <>
                    <Button size="xs" variant="default" onClick={() => setDoing("password")}>
                      {t("adminUsers:password.submit")}
                    </Button>
                    {user.disabled ? (
                      <Button size="xs" variant="default" onClick={() => attempt(change(false, version, ""))}>
                        {t("adminUsers:enable")}
                      </Button>
                    ) : (
                      <Button size="xs" variant="light" color="red" onClick={() => setDoing("disable")}>
                        {t("adminUsers:disable.submit")}
                      </Button>
                    )}
                    <Button size="xs" variant="light" color="red" onClick={() => setDoing("archive")}>
                      {t("adminUsers:archive.submit")}
                    </Button>
                  </>
                )}
              </>
            )}
          </Group>
        )}
      </Group>
      {problem !== null && <Failure problem={problem} compact />}
      <Facts
        rows={[
          [t("adminUsers:columns.login"), user.login],
          [
            t("adminUsers:columns.role"),
            user.platform_role ? t(`common:roles.${user.platform_role}`) : t("adminUsers:noRole"),
          ],
          [
            t("adminUsers:columns.tenants"),
            user.memberships.length === 0 ? (
              t("common:none")
            ) : (
              <Stack key="tenants" gap={2}>
                {user.memberships.map((each) => (
                  <Group key={each.tenant_id} gap="xs">
                    <Link
                      to="/admin/tenants/$tenantId"
                      params={{ tenantId: String(each.tenant_id) }}
                      className="tg-link"
                    >
                      {nameOf(each.tenant_id)}
                    </Link>
                    <span className="tg-dim">{t(`common:roles.${each.role}`)}</span>
                  </Group>
                ))}
              </Stack>
            ),
          ],
          [t("common:terms.created"), <Time key="created" at={user.created_at} form="full" />],
          [t("adminUsers:columns.id"), <Id key="id" value={user.id} />],
        ]}
      />
      <Tabs
        value={search.tab ?? "sessions"}
        onChange={(tab) => setSearch({ tab: tab === "history" ? "history" : undefined })}
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="sessions">{t("adminUsers:sessions.title")}</Tabs.Tab>
          <Tabs.Tab value="history">{t("kit:history.title")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="sessions" pt="md">
          <Stack>
            <Sessions
              user={user}
              query={sessions}
              onEnd={
                mayWrite
                  ? (session) =>
                      attempt(
                        api.DELETE("/api/users/{user_id}/sessions/{session_id}", {
                          params: { path: { ...path, session_id: session } },
                        }),
                      )
                  : undefined
              }
            />
            {mayWrite && open > 1 && !isMe && (
              <Group>
                <Button size="xs" variant="light" color="red" onClick={() => setDoing("sessions")}>
                  {t("adminUsers:sessions.endAll")}
                </Button>
              </Group>
            )}
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History path="/api/users/{user_id}/history" params={path} />
        </Tabs.Panel>
      </Tabs>
      <UserForm opened={doing === "change"} onClose={close} user={user} />
      <ConfirmDanger
        {...shared}
        opened={doing === "password"}
        title={t("adminUsers:password.title", { login: user.login })}
        effect={<Text size="sm">{t("adminUsers:password.effect", { count: open })}</Text>}
        submit={t("adminUsers:password.submit")}
        done=""
        onConfirm={async (call) => {
          const password = firstPassword();
          await api.POST("/api/users/{user_id}/password", {
            params: { path },
            body: { password, reason: call.reason },
          });
          usersChanged();
          props.onPassword(user.login, password);
        }}
      />
      <ConfirmDanger
        {...shared}
        opened={doing === "disable"}
        title={t("adminUsers:disable.title", { login: user.login })}
        effect={<Text size="sm">{t("adminUsers:disable.effect", { count: open })}</Text>}
        submit={t("adminUsers:disable.submit")}
        entity={user}
        onConfirm={async (call) => {
          await change(true, call.ifMatch, call.reason);
          usersChanged();
        }}
      />
      <ConfirmDanger
        {...shared}
        opened={doing === "archive"}
        title={t("adminUsers:archive.title", { login: user.login })}
        effect={<Text size="sm">{t("adminUsers:archive.effect", { count: user.memberships.length })}</Text>}
        submit={t("adminUsers:archive.submit")}
        entity={user}
        onConfirm={async (call) => {
          await api.DELETE("/api/users/{user_id}", {
            params: { path, header: { "If-Match": call.ifMatch }, query: { reason: call.reason } },
          });
          usersChanged();
        }}
      />
      <ConfirmDanger
        {...shared}
        opened={doing === "sessions"}
        title={t("adminUsers:sessions.endAll")}
        effect={<Text size="sm">{t("adminUsers:sessions.effect", { count: open })}</Text>}
        submit={t("adminUsers:sessions.endAll")}
        onConfirm={async () => {
          await api.DELETE("/api/users/{user_id}/sessions", { params: { path } });
          usersChanged();
        }}
      />
    </Stack>
  );
}

function Sessions(props: {
  user: User;
  query: {
    data?: { items: readonly Session[] } | undefined;
    isPending: boolean;
    error: unknown;
    refetch: () => unknown;
  };
  onEnd: ((session: string) => void) | undefined;
}) {
  const { t } = useTranslation(["adminUsers", "common"]);
  const columns: Column<Session>[] = [
    {
      key: "seen",
      header: t("adminUsers:sessions.seen"),
      cell: (row) => <Time at={row.seen_at} />,
      fixed: true,
    },
    { key: "address", header: t("adminUsers:sessions.address"), cell: (row) => row.address || "–" },
    {
      key: "agent",
      header: t("adminUsers:sessions.agent"),
      cell: (row) => <span className="tg-setting-text">{row.user_agent || "–"}</span>,
    },
    { key: "created", header: t("adminUsers:sessions.began"), cell: (row) => <Time at={row.created_at} form="full" /> },
    { key: "expires", header: t("adminUsers:sessions.ends"), cell: (row) => <Time at={row.expires_at} /> },
  ];
  return (
    <DataTable
      id="user-sessions"
      caption={t("adminUsers:sessions.title")}
      columns={columns}
      listing={wholeListing(props.query.data && [...props.query.data.items], props.query)}
      rowId={(row) => row.id}
      plain
      rowActions={
        props.onEnd &&
        ((row) =>
          row.current ? (
            <span className="tg-dim">{t("adminUsers:sessions.this")}</span>
          ) : (
            <Button size="compact-xs" variant="default" onClick={() => props.onEnd?.(row.id)}>
              {t("adminUsers:sessions.end")}
            </Button>
          ))
      }
      empty={{ title: t("adminUsers:sessions.none") }}
    />
  );
}
