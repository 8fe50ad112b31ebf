import {
  ActionIcon,
  Button,
  ColorInput,
  FileButton,
  Group,
  NumberInput,
  Paper,
  Select,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { type ReactNode, useState } from "react";
import { api, data, queryClient, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { FormDrawer } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Html, Markdown } from "~/kit/LazyMarkdown";
import { site } from "~/site";
import { linksOf, linksText } from "./links";

export type Entry = Schema["SettingEntry"];
type Value = Entry["value"];

const IMAGE_BYTES_MAX = 200_000;
const IMAGE_TYPES = "image/png,image/jpeg,image/webp,image/svg+xml";
/** Texts that are shown as Markdown. */
const MARKDOWN = new Set(["site_footer", "site_notice", "site_top_up"]);

export const settingsChanged = (): void => {
  for (const path of ["/api/setting-values", "/api/settings/{setting_id}/history", "/api/site"])
    void queryClient.invalidateQueries({ queryKey: ["get", path] });
};

export const readEntry = async (name: string): Promise<Entry> => {
  const { items } = await data(api.GET("/api/setting-values"));
  return items.find((each) => each.name === name) as Entry;
};

export const putSetting = (name: string, value: Value, ifMatch: string, reason: string) =>
  api.PUT("/api/setting-values/{name}", {
    params: { path: { name }, header: { "If-Match": ifMatch } },
    body: { value, reason },
  });

/** One setting, by an input that fits it, with what it will look like. */
export function SettingForm(props: {
  entry: Entry;
  name: string;
  meaning: string;
  homeKind: string;
  onClose: () => void;
}) {
  const { t } = useTranslation("adminSettings");
  const { entry } = props;
  return (
    <FormDrawer<{ value: string | number | boolean }>
      opened
      onClose={props.onClose}
      title={props.name}
      about={props.meaning}
      wide={entry.type === "text"}
      initial={{ value: entry.value ?? "" }}
      entity={entry}
      reload={() => readEntry(entry.name)}
      valuesOf={(theirs: Entry) => ({ value: theirs.value ?? "" })}
      reason
      done={entry.group === "site" ? t("savedSite") : undefined}
      onSubmit={async ({ value }, call) => {
        await putSetting(entry.name, value, call.ifMatch, call.reason);
        settingsChanged();
      }}
    >
      {(form) => (
        <SettingInput
          entry={entry}
          label={props.name}
          homeKind={props.homeKind}
          value={form.values.value}
          onChange={(value) => form.setFieldValue("value", value)}
        />
      )}
    </FormDrawer>
  );
}

type InputProps = {
  entry: Entry;
  label: string;
  homeKind: string;
  value: string | number | boolean;
  onChange: (value: string | number | boolean) => void;
};

function SettingInput(props: InputProps) {
  const { t } = useTranslation(["adminSettings", "common"]);
  const { entry, label, value, onChange } = props;
  const text = String(value);
  const field = { label, description: t(`adminSettings:expected.${entry.type}`) };
  switch (entry.type) {
    case "integer":
      return (
        <NumberInput
          {...field}
          value={typeof value === "boolean" ? 0 : value}
          onChange={onChange}
          allowDecimal={false}
          data-autofocus
        />
      );
    case "boolean":
      return (
        <Switch label={label} checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} />
      );
    case "choice":
      return (
        <Select
          {...field}
          data={entry.choices.map((each) => ({
            value: each,
            label: t(`adminSettings:choices.${each}` as "adminSettings:choices.light", { defaultValue: each }),
          }))}
          value={text}
          onChange={(next) => next !== null && onChange(next)}
          allowDeselect={false}
        />
      );
    case "color":
      return <ColorInput {...field} value={text} onChange={onChange} format="hex" withEyeDropper={false} />;
    case "image":
      return <ImageInput {...props} />;
    case "links":
      return <LinksInput {...props} />;
    case "text":
      return entry.name === "site_name" ? (
        <TextInput {...field} value={text} onChange={(event) => onChange(event.currentTarget.value)} data-autofocus />
      ) : (
        <>
          <Textarea
            label={label}
            description={
              entry.name === "site_home_page" && props.homeKind === "html"
                ? t("adminSettings:expected.html")
                : t("adminSettings:expected.markdown")
            }
            value={text}
            onChange={(event) => onChange(event.currentTarget.value)}
            autosize
            minRows={8}
            maxRows={24}
            spellCheck
            data-autofocus
          />
          <Preview>
            {entry.name === "site_home_page" && props.homeKind === "html" ? (
              <Html text={text} />
            ) : MARKDOWN.has(entry.name) || entry.name === "site_home_page" ? (
              <Markdown text={text} />
            ) : (
              text
            )}
          </Preview>
        </>
      );
    case "address":
      return (
        <>
          <TextInput
            {...field}
            type="url"
            value={text}
            onChange={(event) => onChange(event.currentTarget.value)}
            data-autofocus
          />
          <FramePreview address={text} />
        </>
      );
    default:
      return (
        <TextInput {...field} value={text} onChange={(event) => onChange(event.currentTarget.value)} data-autofocus />
      );
  }
}

export function Preview(props: { children: ReactNode }) {
  const { t } = useTranslation("adminSettings");
  return (
    <section aria-label={t("preview")}>
      <Text size="sm" fw={600} mb={4}>
        {t("preview")}
      </Text>
      <Paper withBorder p="md">
        {props.children}
      </Paper>
    </section>
  );
}

/** Browsers show the one origin that is set; any other can be seen once it is saved. */
function FramePreview(props: { address: string }) {
  const { t } = useTranslation("adminSettings");
  const originOf = (text: string) => (URL.canParse(text) ? new URL(text).origin : null);
  const origin = originOf(props.address);
  if (origin === null) return null;
  const shown = site.home_kind === "frame" && originOf(site.home_frame) === origin;
  return (
    <Preview>
      {shown ? (
        <iframe
          className="tg-preview-frame"
          src={props.address}
          title={t("preview")}
          sandbox="allow-scripts allow-same-origin"
          referrerPolicy="no-referrer"
        />
      ) : (
        <Text size="sm" c="dimmed">
          {t("frameLater", { origin })}
        </Text>
      )}
    </Preview>
  );
}

/** Whether the browser can show a file, whatever its name says. */
const canShow = (address: string): Promise<boolean> =>
  new Promise((answer) => {
    const image = new Image();
    image.onload = () => answer(true);
    image.onerror = () => answer(false);
    image.src = address;
  });

function ImageInput(props: InputProps) {
  const { t } = useTranslation(["adminSettings", "common"]);
  const [problem, setProblem] = useState<"tooLarge" | "noImage" | null>(null);
  const text = String(props.value);
  const take = (file: File | null) => {
    if (!file) return;
    if (!IMAGE_TYPES.split(",").includes(file.type)) return setProblem("noImage");
    if (file.size > IMAGE_BYTES_MAX) return setProblem("tooLarge");
    const reader = new FileReader();
    reader.onload = async () => {
      const read = String(reader.result);
      const good = await canShow(read);
      setProblem(good ? null : "noImage");
      if (good) props.onChange(read);
    };
    reader.readAsDataURL(file);
  };
  return (
    <Stack gap="sm">
      <Group>
        <FileButton onChange={take} accept={IMAGE_TYPES}>
          {(button) => (
            <Button {...button} variant="default" leftSection={<Icon name="plus" />}>
              {t("adminSettings:image.choose")}
            </Button>
          )}
        </FileButton>
        {text !== "" && (
          <Button variant="subtle" color="red" onClick={() => props.onChange("")}>
            {t("common:remove")}
          </Button>
        )}
      </Group>
      {problem && (
        <Text size="sm" role="alert" className="tg-bad">
          {t(`adminSettings:image.${problem}`)}
        </Text>
      )}
      <TextInput
        label={t("adminSettings:image.address")}
        description={t("adminSettings:expected.image")}
        value={text.startsWith("data:") ? "" : text}
        onChange={(event) => props.onChange(event.currentTarget.value)}
        placeholder={text.startsWith("data:") ? t("adminSettings:image.uploaded") : undefined}
      />
      {text !== "" && (
        <Preview>
          <img src={text} alt={props.label} className="tg-logo-preview" />
        </Preview>
      )}
    </Stack>
  );
}

function LinksInput(props: InputProps) {
  const { t } = useTranslation(["adminSettings", "common"]);
  const [links, setLinks] = useState(() => linksOf(String(props.value)));
  const change = (next: typeof links) => {
    setLinks(next);
    props.onChange(linksText(next));
  };
  return (
    <Stack gap="xs">
      {links.map((link, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a link has nothing else that stays while it is typed.
        <Group key={index} gap="xs" align="flex-end" wrap="nowrap">
          <TextInput
            label={t("adminSettings:links.label")}
            value={link.label}
            onChange={(event) => change(links.with(index, { ...link, label: event.currentTarget.value }))}
          />
          <TextInput
            label={t("adminSettings:links.url")}
            type="url"
            flex={1}
            value={link.url}
            onChange={(event) => change(links.with(index, { ...link, url: event.currentTarget.value }))}
          />
          <ActionIcon
            variant="default"
            size={36}
            aria-label={t("adminSettings:links.remove", { label: link.label })}
            onClick={() => change(links.toSpliced(index, 1))}
          >
            <Icon name="trash" />
          </ActionIcon>
        </Group>
      ))}
      <Group>
        <Button
          variant="default"
          size="xs"
          leftSection={<Icon name="plus" size={14} />}
          disabled={links.length >= 20}
          onClick={() => setLinks([...links, { label: "", url: "" }])}
        >
          {t("adminSettings:links.add")}
        </Button>
      </Group>
    </Stack>
  );
}
