import { Button, Group, Stack, Text, TextInput, Tooltip } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import { api, ifMatch, queryClient } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { FormModal } from "~/kit/Form";
import { History } from "~/kit/History";
import { Section } from "~/kit/Page";
import { Scroll } from "~/kit/Scroll";
import { SidePanel } from "~/kit/SidePanel";
import { useZone } from "~/kit/Time";
import { dateTime, decimal } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useMay } from "~/session/session";
import { ALL, cellKey, cellsOf, inherited, isMultiplier, type Multiplier } from "./matrix";
import { adminGroupsRoute } from "./routes";

type Axis = { label: string; name: string };
type Edit = { user: Axis; channel: Axis; before: Multiplier | undefined; after: string };

/** The matrix as a grid to type in; what was typed waits for one saving, with a reason. */
export function Matrix(props: { users: Axis[]; channels: Axis[]; multipliers: Multiplier[] }) {
  const { t } = useTranslation("adminGroups");
  const may = useMay();
  const [search, setSearch] = useUrl(adminGroupsRoute);
  const [typed, setTyped] = useState(new Map<string, string>());
  const [asking, setAsking] = useState(false);
  const grid = useRef<HTMLTableElement>(null);
  const cells = useMemo(() => cellsOf(props.multipliers), [props.multipliers]);
  const users = [{ label: ALL, name: t("matrix.allUsers") }, ...props.users];
  const channels = [{ label: ALL, name: t("matrix.allChannels") }, ...props.channels];

  const edits: Edit[] = users.flatMap((user) =>
    channels.flatMap((channel) => {
      const key = cellKey(user.label, channel.label);
      const after = typed.get(key);
      const before = cells.get(key);
      return after === undefined || after === (before?.multiplier ?? "") ? [] : [{ user, channel, before, after }];
    }),
  );
  const isGood = edits.every((each) => isMultiplier(each.after));

  const move = (event: KeyboardEvent, row: number, column: number) => {
    const input = event.currentTarget as HTMLInputElement;
    const atStart = input.selectionStart === 0 && input.selectionEnd === 0;
    const atEnd = input.selectionStart === input.value.length;
    const steps: Record<string, [number, number] | undefined> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      Enter: [1, 0],
      ArrowLeft: atStart ? [0, -1] : undefined,
      ArrowRight: atEnd ? [0, 1] : undefined,
    };
    const step = steps[event.key];
    if (!step) return;
    const next = grid.current?.querySelector<HTMLInputElement>(
      `[data-cell="${row + step[0]}-${column + step[1]}"] input`,
    );
    if (next) {
      event.preventDefault();
      next.focus();
      next.select();
    }
  };
  const type = (key: string, value: string | undefined) =>
    setTyped((old) => {
      const next = new Map(old);
      if (value === undefined) next.delete(key);
      else next.set(key, value);
      return next;
    });
  const save = async (reason: string) => {
    for (const each of edits) await saveCell(each, reason);
    notifications.show({ message: t("matrix.saved", { count: edits.length }) });
    setTyped(new Map());
  };
  return (
    <Section title={t("matrix.title")} about={t("matrix.about")}>
      <Scroll label={t("matrix.title")}>
        <table ref={grid} className="tg-matrix">
          <caption className="tg-hidden">{t("matrix.title")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("matrix.corner")}</th>
              {channels.map((channel) => (
                <th key={channel.label} scope="col" title={channel.label}>
                  {channel.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {users.map((user, row) => (
              <tr key={user.label}>
                <th scope="row" title={user.label}>
                  {user.name}
                </th>
                {channels.map((channel, column) => {
                  const key = cellKey(user.label, channel.label);
                  return (
                    <td key={channel.label} data-cell={`${row}-${column}`}>
                      <Cell
                        label={t("matrix.cell", { user: user.name, channel: channel.name })}
                        set={cells.get(key)}
                        falls={inherited(cells, user.label, channel.label)}
                        typed={typed.get(key)}
                        readOnly={!may("pricing:write")}
                        onType={(value) => type(key, value)}
                        onKey={(event) => move(event, row, column)}
                        onHistory={(id) => setSearch({ cell: id }, { push: true })}
                      />
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <Group justify="space-between" mt="xs">
        <Text size="xs" c="dimmed">
          {t("matrix.keys")}
        </Text>
        {edits.length > 0 && (
          <Group gap="xs">
            <Text size="sm" role="status">
              {t("matrix.dirty", { count: edits.length })}
            </Text>
            <Button size="xs" variant="default" onClick={() => setTyped(new Map())}>
              {t("matrix.discard")}
            </Button>
            <Button size="xs" disabled={!isGood} onClick={() => setAsking(true)}>
              {t("matrix.save")}
            </Button>
          </Group>
        )}
      </Group>
      <FormModal
        opened={asking}
        onClose={() => setAsking(false)}
        title={t("matrix.confirmTitle")}
        about={t("matrix.confirmAbout")}
        initial={{}}
        reason
        done=""
        onSubmit={(_, call) => save(call.reason)}
      >
        {() => (
          <ul className="tg-plain-list">
            {edits.map((each) => (
              <li key={cellKey(each.user.label, each.channel.label)}>
                <Text size="sm">
                  {t("matrix.moved", {
                    user: each.user.name,
                    channel: each.channel.name,
                    before: each.before ? decimal(each.before.multiplier) : t("matrix.cleared"),
                    after: each.after === "" ? t("matrix.cleared") : decimal(each.after),
                  })}
                </Text>
              </li>
            ))}
          </ul>
        )}
      </FormModal>
      <SidePanel
        opened={search.cell !== undefined}
        onClose={() => setSearch({ cell: undefined })}
        title={t("matrix.history")}
      >
        {search.cell && (
          <History path="/api/multipliers/{multiplier_id}/history" params={{ multiplier_id: search.cell }} />
        )}
      </SidePanel>
    </Section>
  );
}

/** One cell, by the version that was read: somebody else's change in between is refused, and shown. */
async function saveCell(edit: Edit, reason: string): Promise<void> {
  const { before, after } = edit;
  if (!before)
    await api.POST("/api/multipliers", {
      body: { user_group: edit.user.label, channel_group: edit.channel.label, multiplier: after, reason },
    });
  else if (after === "")
    await api.DELETE("/api/multipliers/{multiplier_id}", {
      params: { path: { multiplier_id: before.id }, header: { "If-Match": ifMatch(before) }, query: { reason } },
    });
  else
    await api.PATCH("/api/multipliers/{multiplier_id}", {
      params: { path: { multiplier_id: before.id }, header: { "If-Match": ifMatch(before) } },
      body: { multiplier: after, reason },
    });
  // Those that are saved are read again at once, so that a refusal in the middle leaves only the others to do.
  await queryClient.invalidateQueries({ queryKey: ["get", "/api/multipliers"] });
}

function Cell(props: {
  label: string;
  set: Multiplier | undefined;
  falls: Multiplier | null;
  typed: string | undefined;
  readOnly: boolean;
  onType: (value: string | undefined) => void;
  onKey: (event: KeyboardEvent) => void;
  onHistory: (id: string) => void;
}) {
  const { t } = useTranslation("adminGroups");
  const zone = useZone();
  const { set, falls, typed } = props;
  const value = typed ?? set?.multiplier ?? "";
  const isDirty = typed !== undefined && typed !== (set?.multiplier ?? "");
  const nameOf = (label: string, all: string) => (label === ALL ? all : label);
  const from = falls
    ? t("matrix.inherits", {
        multiplier: decimal(falls.multiplier),
        user: nameOf(falls.user_group, t("matrix.allUsers")),
        channel: nameOf(falls.channel_group, t("matrix.allChannels")),
      })
    : t("matrix.neutral");
  const tip = set ? t("matrix.set", { when: dateTime(set.updated_at, zone) }) : from;
  return (
    <Tooltip label={isMultiplier(value) ? tip : t("matrix.wrong")} multiline maw={260}>
      <Stack gap={0}>
        <TextInput
          size="xs"
          inputMode="decimal"
          aria-label={props.label}
          aria-description={tip}
          placeholder={falls ? falls.multiplier : "1"}
          value={value}
          readOnly={props.readOnly}
          error={!isMultiplier(value)}
          data-dirty={isDirty || undefined}
          data-set={set !== undefined || undefined}
          classNames={{ input: "tg-matrix-input" }}
          onChange={(event) => props.onType(event.currentTarget.value.trim())}
          onKeyDown={(event) => {
            if (event.key === "Escape") props.onType(undefined);
            else props.onKey(event);
          }}
          onDoubleClick={() => set && props.onHistory(set.id)}
        />
        {set && !isDirty && (
          <button type="button" className="tg-matrix-when" onClick={() => props.onHistory(set.id)}>
            {dateTime(set.updated_at, zone)}
          </button>
        )}
      </Stack>
    </Tooltip>
  );
}
