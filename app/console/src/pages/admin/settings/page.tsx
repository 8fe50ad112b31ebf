import { Anchor, Button, Group, Stack, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Code } from "~/kit/Code";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { History } from "~/kit/History";
import { Page, Section } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { count } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useMay } from "~/session/session";
import { apiBase, site } from "~/site";
import { Announcements } from "./Announcements";
import { linksOf } from "./links";
import { adminSettingsRoute } from "./routes";
import { type Entry, putSetting, readEntry, SettingForm, settingsChanged } from "./SettingForm";

const TABS = ["site", "access", "relay", "system", "announcements"] as const;
type Tab = (typeof TABS)[number];

/** What the setting is called, and what it means, in the reader's language; in English where there is no text of it. */
function useWords() {
  const { t } = useTranslation("adminSettings");
  return {
    nameOf: (entry: Entry) => t(`names.${entry.name}` as "names.site_name", { defaultValue: entry.name }),
    meaningOf: (entry: Entry) => t(`meanings.${entry.name}` as "meanings.site_name", { defaultValue: entry.meaning }),
  };
}

export default function AdminSettingsPage() {
  const { t } = useTranslation("adminSettings");
  const [search, setSearch] = useUrl(adminSettingsRoute);
  const { nameOf, meaningOf } = useWords();
  const values = useQuery({
    queryKey: ["get", "/api/setting-values"],
    queryFn: () => data(api.GET("/api/setting-values")),
  });
  const entries = values.data?.items ?? [];
  const open = entries.find((each) => each.name === search.setting);
  const shown = entries.find((each) => each.name === search.history);
  const homeKind = String(entries.find((each) => each.name === "site_home_kind")?.value ?? site.home_kind);
  return (
    <Page title={t("title")} about={t("about")}>
      <Tabs
        value={search.tab ?? "site"}
        onChange={(tab) => setSearch({ tab: tab === "site" ? undefined : (tab as Exclude<Tab, "site">) })}
        keepMounted={false}
      >
        <Tabs.List>
          {TABS.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(`tabs.${each}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map((each) => (
          <Tabs.Panel key={each} value={each} pt="md">
            {each === "announcements" ? (
              <Announcements />
            ) : (
              <Stack gap="lg" className="tg-settings">
                {each === "site" && <BaseUrl />}
                <Section title={t(`tabs.${each}`)} about={t(`groups.${each}`)}>
                  <SettingTable
                    group={each}
                    listing={wholeListing(values.data && entries.filter((entry) => entry.group === each), values)}
                  />
                </Section>
              </Stack>
            )}
          </Tabs.Panel>
        ))}
      </Tabs>
      {open && (
        <SettingForm
          key={open.name}
          entry={open}
          name={nameOf(open)}
          meaning={meaningOf(open)}
          homeKind={homeKind}
          onClose={() => setSearch({ setting: undefined })}
        />
      )}
      <SidePanel
        opened={shown !== undefined}
        onClose={() => setSearch({ history: undefined })}
        title={shown ? nameOf(shown) : ""}
      >
        {shown?.id && <History path="/api/settings/{setting_id}/history" params={{ setting_id: shown.id }} />}
      </SidePanel>
    </Page>
  );
}

/** Where programs reach this server: it is set where the server is started, and so cannot be changed here. */
function BaseUrl() {
  const { t } = useTranslation("adminSettings");
  return (
    <Section title={t("baseUrl.title")} about={site.base_url ? t("baseUrl.set") : t("baseUrl.unset")}>
      <Code text={apiBase()} label={t("baseUrl.title")} />
      {!site.base_url && (
        <Text size="sm" c="dimmed" mt="xs">
          {t("baseUrl.how")} <code>TALLYGATE_PUBLIC_URL=https://…</code>
        </Text>
      )}
    </Section>
  );
}

function SettingTable(props: { group: string; listing: ReturnType<typeof wholeListing<Entry>> }) {
  const { t } = useTranslation(["adminSettings", "common", "kit"]);
  const [, setSearch] = useUrl(adminSettingsRoute);
  const { nameOf, meaningOf } = useWords();
  const may = useMay();
  const [resetting, setResetting] = useState<Entry | null>(null);
  const canWrite = may("setting:write") && props.group !== "system";
  const columns: Column<Entry>[] = [
    {
      key: "name",
      header: t("adminSettings:columns.setting"),
      cell: (row) => (
        <div className="tg-setting">
          <Text size="sm" fw={600}>
            {nameOf(row)}
          </Text>
          <Text size="xs" c="dimmed">
            {meaningOf(row)}
          </Text>
          <code className="tg-mono">{row.name}</code>
        </div>
      ),
      csv: (row) => row.name,
      fixed: true,
    },
    {
      key: "value",
      header: t("adminSettings:columns.value"),
      cell: (row) => (
        <Stack gap={2} className="tg-setting-value">
          <Value entry={row} value={row.value} />
          {row.is_default && <Status tone="quiet">{t("adminSettings:isDefault")}</Status>}
        </Stack>
      ),
      csv: (row) => row.value,
    },
    {
      key: "default",
      header: t("adminSettings:columns.default"),
      cell: (row) => <Value entry={row} value={row.default} />,
      csv: (row) => row.default,
    },
    {
      key: "set",
      header: t("adminSettings:columns.set"),
      cell: (row) =>
        row.updated_at ? (
          <Stack gap={0}>
            <Text size="sm">{row.updated_by_login ?? t("adminSettings:bySystem")}</Text>
            <Time at={row.updated_at} />
            {row.reason !== "" && (
              <Text size="xs" c="dimmed">
                {row.reason}
              </Text>
            )}
          </Stack>
        ) : (
          <span className="tg-dim">{t("adminSettings:neverSet")}</span>
        ),
      csv: (row) => `${row.updated_by_login ?? ""} ${row.updated_at ?? ""}`.trim(),
    },
  ];
  return (
    <>
      <DataTable
        id={`settings-${props.group}`}
        caption={t("adminSettings:title")}
        columns={columns}
        listing={props.listing}
        rowId={(row) => row.name}
        plain
        rowActions={(row) => (
          <Group gap={4} justify="flex-end">
            {canWrite && (
              <Button
                size="compact-xs"
                variant="default"
                aria-label={t("adminSettings:changeIt", { name: nameOf(row) })}
                onClick={() => setSearch({ setting: row.name }, { push: true })}
              >
                {t("common:change")}
              </Button>
            )}
            {canWrite && !row.is_default && (
              <Button
                size="compact-xs"
                variant="subtle"
                aria-label={t("adminSettings:resetIt", { name: nameOf(row) })}
                onClick={() => setResetting(row)}
              >
                {t("adminSettings:reset")}
              </Button>
            )}
            {row.id !== null && (
              <Button
                size="compact-xs"
                variant="subtle"
                aria-label={t("adminSettings:historyOf", { name: nameOf(row) })}
                onClick={() => setSearch({ history: row.name }, { push: true })}
              >
                {t("kit:history.title")}
              </Button>
            )}
          </Group>
        )}
      />
      {resetting && (
        <ConfirmDanger
          opened
          onClose={() => setResetting(null)}
          title={t("adminSettings:resetIt", { name: nameOf(resetting) })}
          effect={
            <Stack gap={4}>
              <Text size="sm">{t("adminSettings:resetEffect")}</Text>
              <Value entry={resetting} value={resetting.default} />
            </Stack>
          }
          word={resetting.name}
          submit={t("adminSettings:reset")}
          entity={resetting}
          reload={() => readEntry(resetting.name)}
          onConfirm={async (call) => {
            await putSetting(resetting.name, null, call.ifMatch, call.reason);
            settingsChanged();
          }}
        />
      )}
    </>
  );
}

/** A value as it is read best; long ones are cut, and whole in the form. */
function Value(props: { entry: Entry; value: Entry["value"] }) {
  const { t } = useTranslation(["adminSettings", "common"]);
  const { entry, value } = props;
  if (value === null || value === "") return <span className="tg-dim">{t("adminSettings:empty")}</span>;
  const text = String(value);
  switch (entry.type) {
    case "boolean":
      return value ? t("common:yes") : t("common:no");
    case "integer":
      return count(Number(text));
    case "color":
      return (
        <Group gap={6} wrap="nowrap">
          <svg width="14" height="14" aria-hidden="true">
            <rect width="14" height="14" rx="3" fill={text} />
          </svg>
          <code>{text}</code>
        </Group>
      );
    case "image":
      return <img src={text} alt={t("adminSettings:image.alt")} className="tg-logo-preview" />;
    case "choice":
      return t(`adminSettings:choices.${text}` as "adminSettings:choices.light", { defaultValue: text });
    case "links": {
      const links = linksOf(text);
      if (links.length === 0) return <span className="tg-dim">{t("adminSettings:empty")}</span>;
      return (
        <Stack gap={0}>
          {links.map((link) => (
            <Anchor key={link.label + link.url} href={link.url} target="_blank" rel="noreferrer" size="sm">
              {link.label}
            </Anchor>
          ))}
        </Stack>
      );
    }
    default:
      return <span className="tg-setting-text">{text.length > 160 ? `${text.slice(0, 160)}…` : text}</span>;
  }
}
