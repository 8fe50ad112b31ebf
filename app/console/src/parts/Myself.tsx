import {
  Button,
  Checkbox,
  Group,
  Select,
  Stack,
  TagsInput,
  Text,
  TextInput,
  useMantineColorScheme,
} from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { chooseLanguage, type Language } from "~/i18n";
import { useTranslation } from "~/i18n/use";
import { ActButton, useAct } from "~/kit/Act";
import { type Column, DataTable } from "~/kit/DataTable";
import { FormModal } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Section } from "~/kit/Page";
import { SecretOnce } from "~/kit/SecretOnce";
import { SidePanel } from "~/kit/SidePanel";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { remember } from "~/lib/storage";
import { zones } from "~/lib/zones";
import { meQuery, useMe } from "~/session/session";

type Session = Schema["OpenSession"];
type PersonalToken = Schema["PersonalTokenView"];

/** Whoever is logged in, for themselves, in either console: the form for a new token is open as the page's URL says. */
export function Myself(props: { isMaking: boolean; onMake: (open: boolean) => void }) {
  const { t } = useTranslation("tenantSettings");
  return (
    <>
      <Me />
      <Section
        title={t("password")}
        about={t("passwordAbout")}
        actions={
          <Button
            variant="default"
            component={Link}
            {...({ to: "/login", search: { change: true } } as object)}
            leftSection={<Icon name="key" size={14} />}
          >
            {t("changePassword")}
          </Button>
        }
      >
        {null}
      </Section>
      <Sessions />
      <PersonalTokens {...props} />
    </>
  );
}

/** Language, theme and zone of whoever is logged in; taken at once. */
function Me() {
  const { t } = useTranslation(["tenantSettings", "shell", "common"]);
  const me = useMe();
  const client = useQueryClient();
  const { setColorScheme } = useMantineColorScheme();
  const { act } = useAct();
  const change = (patch: Schema["MeChange"]) =>
    act(async () => {
      client.setQueryData(meQuery.queryKey, await data(api.PATCH("/api/me", { body: patch })));
      if (patch.language) await chooseLanguage(patch.language as Language);
      if (patch.theme) {
        remember("theme", patch.theme);
        setColorScheme(patch.theme === "system" ? "auto" : patch.theme);
      }
      notifications.show({ message: t("common:saved") });
    });
  const [name, setName] = useState(me.user.name);
  return (
    <Section title={t("tenantSettings:me")} about={t("tenantSettings:meAbout")}>
      <div className="tg-fields tg-fields-wide">
        <TextInput
          label={t("tenantSettings:name")}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          onBlur={() => name.trim() && name !== me.user.name && void change({ name: name.trim() })}
        />
        <Select
          label={t("tenantSettings:language")}
          data={[
            { value: "browser", label: t("tenantSettings:languages.browser") },
            { value: "en", label: t("tenantSettings:languages.en") },
            { value: "zh-CN", label: t("tenantSettings:languages.zh-CN") },
          ]}
          value={me.user.language || "browser"}
          onChange={(next) => void change({ language: (next === "browser" ? "" : next) as "en" })}
        />
        <Select
          label={t("tenantSettings:theme")}
          data={(["system", "light", "dark"] as const).map((each) => ({ value: each, label: t(`shell:${each}`) }))}
          value={me.user.theme}
          onChange={(next) => void change({ theme: (next ?? "system") as "system" })}
        />
        <Select
          label={t("tenantSettings:timeZone")}
          description={t("tenantSettings:myZoneHint")}
          data={[{ value: "browser", label: t("tenantSettings:browserZone") }, ...zones()]}
          value={me.user.time_zone || "browser"}
          searchable
          limit={80}
          onChange={(next) => void change({ time_zone: next === "browser" || !next ? "" : next })}
        />
      </div>
    </Section>
  );
}

/** "Firefox on Linux" of what a browser says it is; the whole text in the tooltip. */
const browserOf = (agent: string): string => {
  const name = /Edg\//.test(agent)
    ? "Edge"
    : /Firefox\//.test(agent)
      ? "Firefox"
      : /Chrom(e|ium)\//.test(agent)
        ? "Chrome"
        : /Safari\//.test(agent)
          ? "Safari"
          : agent.slice(0, 30);
  const system = /Windows|Android|iPhone|iPad|Mac OS X|Linux/.exec(agent)?.[0];
  return system ? `${name} · ${system}` : name;
};

function Sessions() {
  const { t } = useTranslation("tenantSettings");
  const client = useQueryClient();
  const query = useQuery({
    queryKey: ["get", "/api/sessions"],
    queryFn: async () => (await data(api.GET("/api/sessions"))).items,
  });
  const reread = () => {
    void client.invalidateQueries({ queryKey: ["get", "/api/sessions"] });
    notifications.show({ message: t("ended") });
  };
  const columns: Column<Session>[] = [
    {
      key: "device",
      header: t("device"),
      cell: (row) => <span title={row.user_agent}>{browserOf(row.user_agent)}</span>,
      fixed: true,
    },
    { key: "address", header: t("address"), cell: (row) => row.address },
    { key: "since", header: t("since"), cell: (row) => <Time at={row.created_at} /> },
    { key: "seen", header: t("seen"), cell: (row) => <Time at={row.seen_at} /> },
  ];
  return (
    <Section
      title={t("sessions")}
      about={t("sessionsAbout")}
      actions={
        (query.data?.length ?? 0) > 1 && (
          <ActButton
            variant="default"
            onAct={async () => {
              await api.DELETE("/api/sessions");
              reread();
            }}
          >
            {t("endOthers")}
          </ActButton>
        )
      }
    >
      <DataTable
        id="sessions"
        caption={t("sessions")}
        plain
        columns={columns}
        listing={wholeListing(query.data, query)}
        rowId={(row) => row.id}
        rowActions={(row) =>
          row.current ? (
            <Status tone="good">{t("current")}</Status>
          ) : (
            <ActButton
              variant="subtle"
              color="red"
              size="compact-xs"
              onAct={async () => {
                await api.DELETE("/api/sessions/{session_id}", { params: { path: { session_id: row.id } } });
                reread();
              }}
            >
              {t("end")}
            </ActButton>
          )
        }
      />
    </Section>
  );
}

const SCOPES = ["read", "write", "money", "secrets"] as const;
type Scope = (typeof SCOPES)[number];
const EXPIRIES = ["never", "30", "90", "365"] as const;
type NewToken = { name: string; scopes: Scope[]; networks: string[]; expires: (typeof EXPIRIES)[number] };

function PersonalTokens(props: { isMaking: boolean; onMake: (open: boolean) => void }) {
  const { t } = useTranslation(["tenantSettings", "common"]);
  const client = useQueryClient();
  const [made, setMade] = useState<Schema["CreatedPersonalToken"] | null>(null);
  const [ending, setEnding] = useState<PersonalToken | null>(null);
  const query = useQuery({
    queryKey: ["get", "/api/personal-tokens"],
    queryFn: async () => (await data(api.GET("/api/personal-tokens"))).items,
  });
  const reread = () => void client.invalidateQueries({ queryKey: ["get", "/api/personal-tokens"] });
  const columns: Column<PersonalToken>[] = [
    { key: "name", header: t("common:name"), cell: (row) => row.name, fixed: true },
    { key: "hint", header: t("tenantSettings:hint"), cell: (row) => <code className="tg-mono">{row.hint}</code> },
    {
      key: "scopes",
      header: t("tenantSettings:scopes"),
      cell: (row) => row.scopes.map((each) => t(`tenantSettings:scopeNames.${each}`)).join(", "),
    },
    { key: "seen", header: t("tenantSettings:seen"), cell: (row) => <Time at={row.seen_at} /> },
    { key: "expires", header: t("tenantSettings:expires"), cell: (row) => <Time at={row.expires_at} form="date" /> },
  ];
  return (
    <Section
      title={t("tenantSettings:tokens")}
      about={t("tenantSettings:tokensAbout")}
      actions={
        <Button variant="default" leftSection={<Icon name="plus" size={14} />} onClick={() => props.onMake(true)}>
          {t("tenantSettings:newToken")}
        </Button>
      }
    >
      <DataTable
        id="personal-tokens"
        caption={t("tenantSettings:tokens")}
        plain
        columns={columns}
        listing={wholeListing(query.data, query)}
        rowId={(row) => row.id}
        rowActions={(row) => (
          <Button variant="subtle" color="red" size="compact-xs" onClick={() => setEnding(row)}>
            {t("tenantSettings:end")}
          </Button>
        )}
        empty={{ text: t("tenantSettings:noTokens") }}
      />
      <FormModal<NewToken>
        opened={props.isMaking}
        onClose={() => props.onMake(false)}
        title={t("tenantSettings:newToken")}
        submit={t("common:create")}
        done=""
        initial={{ name: "", scopes: ["read"], networks: [], expires: "90" }}
        validate={{
          name: (name) => (name.trim() ? null : t("tenantSettings:nameMissing")),
          scopes: (scopes) => (scopes.length ? null : t("tenantSettings:scopesMissing")),
        }}
        onSubmit={async ({ name, scopes, networks, expires }) => {
          const expiresAt =
            expires === "never" ? null : new Date(Date.now() + Number(expires) * 86_400_000).toISOString();
          setMade(
            await data(
              api.POST("/api/personal-tokens", {
                body: { name: name.trim(), scopes, networks, expires_at: expiresAt },
              }),
            ),
          );
          reread();
        }}
      >
        {(form) => (
          <>
            <TextInput label={t("common:name")} data-autofocus {...form.getInputProps("name")} />
            <Checkbox.Group label={t("tenantSettings:scopes")} {...form.getInputProps("scopes")}>
              <Stack gap={6} mt={6}>
                {SCOPES.map((each) => (
                  <Checkbox key={each} value={each} label={t(`tenantSettings:scopeNames.${each}`)} />
                ))}
              </Stack>
            </Checkbox.Group>
            <TagsInput
              label={t("tenantSettings:networks")}
              description={t("tenantSettings:networksHint")}
              {...form.getInputProps("networks")}
            />
            <Select
              label={t("tenantSettings:expires")}
              data={EXPIRIES.map((each) => ({ value: each, label: t(`tenantSettings:expiries.${each}`) }))}
              {...form.getInputProps("expires")}
            />
          </>
        )}
      </FormModal>
      <SidePanel once opened={made !== null} onClose={() => setMade(null)} title={t("tenantSettings:tokenMade")}>
        {made && <SecretOnce secret={made.secret} label={made.name} />}
        <Group justify="flex-end" mt="md">
          <Button onClick={() => setMade(null)}>{t("common:done")}</Button>
        </Group>
      </SidePanel>
      <FormModal<Record<string, never>>
        opened={ending !== null}
        onClose={() => setEnding(null)}
        title={t("tenantSettings:endToken", { name: ending?.name ?? "" })}
        submit={t("tenantSettings:end")}
        danger
        initial={{}}
        done={t("tenantSettings:ended")}
        onSubmit={async () => {
          await api.DELETE("/api/personal-tokens/{personal_token_id}", {
            params: { path: { personal_token_id: ending?.id ?? "" } },
          });
          reread();
        }}
      >
        {() => <Text size="sm">{t("tenantSettings:endTokenText")}</Text>}
      </FormModal>
    </Section>
  );
}
