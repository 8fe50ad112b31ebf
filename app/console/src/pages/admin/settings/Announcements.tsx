import { Button, Group, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, queryClient, type Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { ActButton } from "~/kit/Act";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { FormDrawer } from "~/kit/Form";
import { History } from "~/kit/History";
import { Icon } from "~/kit/Icon";
import { Markdown } from "~/kit/LazyMarkdown";
import { Loaded } from "~/kit/Loaded";
import { Section } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { Status, type Tone } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { localZone } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { instantOf, wallTime } from "~/lib/wallTime";
import { Facts } from "~/parts/Facts";
import { useMay } from "~/session/session";
import { adminSettingsRoute } from "./routes";
import { Preview } from "./SettingForm";

type Announcement = Schema["AnnouncementView"];

const LEVELS = ["info", "warning", "critical"] as const;
const AUDIENCES = ["everyone", "users", "operators"] as const;
const LEVEL_TONES: Record<Announcement["level"], Tone> = { info: "info", warning: "warn", critical: "bad" };

const changed = (): void => {
  const one = "/api/announcements/{announcement_id}";
  for (const path of ["/api/announcements", one, `${one}/history`, "/api/notices"])
    void queryClient.invalidateQueries({ queryKey: ["get", path] });
};

type Phase = "shown" | "planned" | "over" | "archived";

function phaseOf(row: Announcement, now = Date.now()): Phase {
  if (row.archived) return "archived";
  if (row.starts_at && Date.parse(row.starts_at) > now) return "planned";
  return row.ends_at && Date.parse(row.ends_at) <= now ? "over" : "shown";
}

/** What the operator tells visitors, customers or colleagues, from when until when. */
export function Announcements() {
  const { t } = useTranslation(["adminSettings", "common"]);
  const [search, setSearch] = useUrl(adminSettingsRoute);
  const may = useMay();
  const listing = useListing("/api/announcements", {
    query: { level: search.level, audience: search.audience, include_archived: search.archived },
  });
  const columns: Column<Announcement>[] = [
    {
      key: "title",
      header: t("adminSettings:news.title"),
      cell: (row) => row.title,
      csv: (row) => row.title,
      fixed: true,
    },
    {
      key: "phase",
      header: t("common:terms.status"),
      cell: (row) => (
        <Status tone={phaseOf(row) === "shown" ? "good" : "quiet"}>
          {t(`adminSettings:news.phases.${phaseOf(row)}`)}
        </Status>
      ),
      csv: (row) => phaseOf(row),
    },
    {
      key: "level",
      header: t("adminSettings:news.level"),
      cell: (row) => <Status tone={LEVEL_TONES[row.level]}>{t(`adminSettings:news.levels.${row.level}`)}</Status>,
      csv: (row) => row.level,
    },
    {
      key: "audience",
      header: t("adminSettings:news.audience"),
      cell: (row) => t(`adminSettings:news.audiences.${row.audience}`),
      csv: (row) => row.audience,
    },
    {
      key: "starts",
      header: t("adminSettings:news.starts"),
      cell: (row) => <Time at={row.starts_at ?? row.created_at} form="full" />,
      csv: (row) => row.starts_at ?? row.created_at,
    },
    {
      key: "ends",
      header: t("adminSettings:news.ends"),
      cell: (row) => <Time at={row.ends_at} form="full" />,
      csv: (row) => row.ends_at,
    },
  ];
  const fields: FilterField[] = [
    {
      key: "level",
      kind: "choice",
      label: t("adminSettings:news.level"),
      options: LEVELS.map((each) => ({ value: each, label: t(`adminSettings:news.levels.${each}`) })),
    },
    {
      key: "audience",
      kind: "choice",
      label: t("adminSettings:news.audience"),
      options: AUDIENCES.map((each) => ({ value: each, label: t(`adminSettings:news.audiences.${each}`) })),
    },
    { key: "archived", kind: "flag", label: t("adminSettings:news.archivedToo"), width: 150 },
  ];
  const cleared = { level: undefined, audience: undefined, archived: undefined };
  const add = may("setting:write") && (
    <Button
      size="xs"
      leftSection={<Icon name="plus" size={14} />}
      onClick={() => setSearch({ new: true }, { push: true })}
    >
      {t("adminSettings:news.add")}
    </Button>
  );
  return (
    <Section title={t("adminSettings:tabs.announcements")} about={t("adminSettings:news.about")} actions={add}>
      <DataTable
        id="announcements"
        caption={t("adminSettings:tabs.announcements")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.id })) as never })}
        openId={search.row}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={Object.keys(cleared).some((key) => search[key as "level"] !== undefined)}
        onClear={() => setSearch(cleared)}
        empty={{
          title: t("adminSettings:news.none"),
          text: t("adminSettings:news.noneText"),
          children: add || undefined,
        }}
      />
      <AnnouncementPanel id={search.row} onClose={() => setSearch({ row: undefined })} />
      <AnnouncementForm opened={search.new ?? false} onClose={() => setSearch({ new: undefined })} />
    </Section>
  );
}

const read = (id: string): Promise<Announcement> =>
  data(api.GET("/api/announcements/{announcement_id}", { params: { path: { announcement_id: id } } }));

function AnnouncementPanel(props: { id: string | undefined; onClose: () => void }) {
  const { t } = useTranslation(["adminSettings", "common", "kit"]);
  const may = useMay();
  const [doing, setDoing] = useState<"change" | "archive" | null>(null);
  const close = () => setDoing(null);
  const found = useQuery({
    queryKey: ["get", "/api/announcements/{announcement_id}", props.id ?? ""],
    queryFn: () =>
      data(api.GET("/api/announcements/{announcement_id}", { params: { path: { announcement_id: props.id ?? "" } } })),
    enabled: props.id !== undefined,
  });
  const restore = async (row: Announcement) => {
    await api.POST("/api/announcements/{entity_id}/restore", {
      params: { path: { entity_id: row.id }, header: { "If-Match": `"${row.version}"` } },
      body: {},
    });
    changed();
  };
  return (
    <SidePanel
      opened={props.id !== undefined}
      onClose={props.onClose}
      title={found.data?.title ?? t("adminSettings:news.one")}
    >
      <Loaded query={found}>
        {(row) => (
          <Stack>
            {may("setting:write") && (
              <Group gap="xs">
                {row.archived ? (
                  <ActButton size="xs" variant="default" onAct={() => restore(row)}>
                    {t("common:restore")}
                  </ActButton>
                ) : (
                  <>
                    <Button size="xs" variant="default" onClick={() => setDoing("change")}>
                      {t("common:edit")}
                    </Button>
                    <Button size="xs" variant="light" color="red" onClick={() => setDoing("archive")}>
                      {t("adminSettings:news.archive")}
                    </Button>
                  </>
                )}
              </Group>
            )}
            <Facts
              rows={[
                [t("common:terms.status"), t(`adminSettings:news.phases.${phaseOf(row)}`)],
                [t("adminSettings:news.level"), t(`adminSettings:news.levels.${row.level}`)],
                [t("adminSettings:news.audience"), t(`adminSettings:news.audiences.${row.audience}`)],
                [
                  t("adminSettings:news.starts"),
                  <Time key="starts" at={row.starts_at ?? row.created_at} form="full" />,
                ],
                [t("adminSettings:news.ends"), <Time key="ends" at={row.ends_at} form="full" />],
              ]}
            />
            <Markdown text={row.body} />
            <Text fw={600}>{t("kit:history.title")}</Text>
            <History path="/api/announcements/{announcement_id}/history" params={{ announcement_id: row.id }} />
            <AnnouncementForm opened={doing === "change"} onClose={close} announcement={row} />
            <ConfirmDanger
              opened={doing === "archive"}
              onClose={close}
              title={t("adminSettings:news.archive")}
              effect={<Text size="sm">{t("adminSettings:news.archiveEffect", { title: row.title })}</Text>}
              word={row.title}
              submit={t("adminSettings:news.archive")}
              entity={row}
              reload={() => read(row.id)}
              onConfirm={async (call) => {
                await api.DELETE("/api/announcements/{announcement_id}", {
                  params: {
                    path: { announcement_id: row.id },
                    header: { "If-Match": call.ifMatch },
                    query: { reason: call.reason },
                  },
                });
                changed();
              }}
            />
          </Stack>
        )}
      </Loaded>
    </SidePanel>
  );
}

type Values = { title: string; level: string; audience: string; starts: string; ends: string; body: string };

const valuesOf = (row: Announcement | undefined): Values => ({
  title: row?.title ?? "",
  level: row?.level ?? "info",
  audience: row?.audience ?? "everyone",
  starts: row?.starts_at ? wallTime(row.starts_at, localZone()) : "",
  ends: row?.ends_at ? wallTime(row.ends_at, localZone()) : "",
  body: row?.body ?? "",
});

function AnnouncementForm(props: { opened: boolean; onClose: () => void; announcement?: Announcement }) {
  const { t } = useTranslation(["adminSettings", "common"]);
  const { announcement } = props;
  return (
    <FormDrawer<Values>
      opened={props.opened}
      onClose={props.onClose}
      title={announcement ? t("adminSettings:news.change") : t("adminSettings:news.add")}
      wide
      initial={valuesOf(announcement)}
      entity={announcement}
      reload={announcement && (() => read(announcement.id))}
      valuesOf={valuesOf}
      reason
      validate={{
        title: (title) => (title.trim() ? null : t("adminSettings:news.titleMissing")),
        ends: (ends, values) =>
          ends && values.starts && ends <= values.starts ? t("adminSettings:news.endsWrong") : null,
      }}
      onSubmit={async (values, call) => {
        const at = (wall: string) => (wall ? instantOf(wall, localZone()) : null);
        const body = {
          title: values.title.trim(),
          level: values.level as Announcement["level"],
          audience: values.audience as Announcement["audience"],
          starts_at: at(values.starts),
          ends_at: at(values.ends),
          body: values.body,
          reason: call.reason,
        };
        if (announcement)
          await api.PATCH("/api/announcements/{announcement_id}", {
            params: { path: { announcement_id: announcement.id }, header: { "If-Match": call.ifMatch } },
            body,
          });
        else await api.POST("/api/announcements", { body });
        changed();
      }}
    >
      {(form) => (
        <>
          <TextInput
            label={t("adminSettings:news.title")}
            withAsterisk
            data-autofocus
            {...form.getInputProps("title")}
          />
          <Group grow align="flex-start">
            <Select
              label={t("adminSettings:news.level")}
              description={t("adminSettings:news.levelHint")}
              data={LEVELS.map((each) => ({ value: each, label: t(`adminSettings:news.levels.${each}`) }))}
              allowDeselect={false}
              {...form.getInputProps("level")}
            />
            <Select
              label={t("adminSettings:news.audience")}
              description={t("adminSettings:news.audienceHint")}
              data={AUDIENCES.map((each) => ({ value: each, label: t(`adminSettings:news.audiences.${each}`) }))}
              allowDeselect={false}
              {...form.getInputProps("audience")}
            />
          </Group>
          <Group grow align="flex-start">
            <TextInput
              type="datetime-local"
              label={t("adminSettings:news.starts")}
              description={t("adminSettings:news.startsHint", { zone: localZone() })}
              {...form.getInputProps("starts")}
            />
            <TextInput
              type="datetime-local"
              label={t("adminSettings:news.ends")}
              description={t("adminSettings:news.endsHint")}
              {...form.getInputProps("ends")}
            />
          </Group>
          <Textarea
            label={t("adminSettings:news.body")}
            description={t("adminSettings:expected.markdown")}
            autosize
            minRows={5}
            maxRows={16}
            {...form.getInputProps("body")}
          />
          {form.values.body.trim() !== "" && (
            <Preview>
              <Markdown text={form.values.body} />
            </Preview>
          )}
        </>
      )}
    </FormDrawer>
  );
}
