import { Button, Group, Select, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { api, data, queryClient, type Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { FormModal, isAmount } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { useMay } from "~/session/session";
import { ALL } from "./matrix";

type GroupView = Schema["GroupView"];
type Period = GroupView["allowance_period"];
const PERIODS: readonly Period[] = ["total", "day", "week", "month"];

const readGroup = (id: string): Promise<GroupView> =>
  data(api.GET("/api/groups/{group_id}", { params: { path: { group_id: id } } }));
const changed = () => queryClient.invalidateQueries({ queryKey: ["get", "/api/groups"] });

/** The groups of one side. */
export function Groups(props: { side: "user" | "channel" }) {
  const { t } = useTranslation(["adminGroups", "common"]);
  const may = useMay();
  const { side } = props;
  const listing = useListing("/api/groups", { query: { side, sort: "name" } });
  const [editing, setEditing] = useState<GroupView | "new" | null>(null);
  const [archiving, setArchiving] = useState<GroupView | null>(null);
  const columns: Column<GroupView>[] = [
    {
      key: "name",
      header: t("common:name"),
      cell: (row) => row.name,
      csv: (row) => row.name,
      fixed: true,
    },
    {
      key: "label",
      header: t("adminGroups:groups.label"),
      cell: (row) => <code>{row.label}</code>,
      csv: (row) => row.label,
    },
    ...(side === "user"
      ? [
          {
            key: "allowance",
            header: t("adminGroups:groups.allowance"),
            hint: t("adminGroups:groups.allowanceHint"),
            cell: (row: GroupView) => <Money value={row.allowance} />,
            csv: (row: GroupView) => row.allowance,
            numeric: true,
          },
          {
            key: "period",
            header: t("adminGroups:groups.period"),
            cell: (row: GroupView) => t(`common:periods.${row.allowance_period}`),
            csv: (row: GroupView) => row.allowance_period,
          },
        ]
      : []),
    {
      key: "updated",
      header: t("common:terms.updated"),
      cell: (row) => <Time at={row.updated_at} form="relative" />,
      csv: (row) => row.updated_at,
    },
  ];
  const group = editing === "new" ? null : editing;
  return (
    <Section
      title={side === "user" ? t("adminGroups:groups.user") : t("adminGroups:groups.channel")}
      about={side === "user" ? t("adminGroups:groups.userAbout") : t("adminGroups:groups.channelAbout")}
      actions={
        may("pricing:write") && (
          <Button
            size="xs"
            variant="default"
            leftSection={<Icon name="plus" size={14} />}
            onClick={() => setEditing("new")}
          >
            {t("adminGroups:groups.add")}
          </Button>
        )
      }
    >
      <DataTable
        id={`groups-${side}`}
        caption={side === "user" ? t("adminGroups:groups.user") : t("adminGroups:groups.channel")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        plain
        rowActions={
          may("pricing:write")
            ? (row) => (
                <Group gap={4} wrap="nowrap">
                  <Button size="compact-xs" variant="subtle" onClick={() => setEditing(row)}>
                    {t("common:change")}
                  </Button>
                  <Button size="compact-xs" variant="subtle" color="red" onClick={() => setArchiving(row)}>
                    {t("adminGroups:groups.archive")}
                  </Button>
                </Group>
              )
            : undefined
        }
        empty={{
          title: t("adminGroups:groups.empty"),
          text: side === "user" ? t("adminGroups:groups.emptyUser") : t("adminGroups:groups.emptyChannel"),
        }}
      />
      <FormModal
        opened={editing !== null}
        onClose={() => setEditing(null)}
        title={
          group
            ? t("adminGroups:groups.change", { name: group.name })
            : side === "user"
              ? t("adminGroups:groups.newUser")
              : t("adminGroups:groups.newChannel")
        }
        initial={{
          label: group?.label ?? "",
          name: group?.name ?? "",
          allowance: group?.allowance ?? "0",
          period: (group?.allowance_period ?? "month") as string,
        }}
        entity={group ?? undefined}
        reload={group ? () => readGroup(group.id) : undefined}
        reason
        validate={{
          label: (label) =>
            /^[a-z0-9][a-z0-9._-]{0,62}$/.test(label) && label !== ALL ? null : t("adminGroups:groups.labelWrong"),
          name: (name) => (name.trim() ? null : t("adminGroups:groups.nameNeeded")),
          allowance: (allowance) => (isAmount(allowance) ? null : t("adminGroups:groups.allowanceWrong")),
        }}
        onSubmit={async (values, call) => {
          const terms = {
            name: values.name.trim(),
            reason: call.reason,
            ...(side === "user" && {
              allowance: values.allowance.trim(),
              allowance_period: values.period as Period,
            }),
          };
          if (group)
            await api.PATCH("/api/groups/{group_id}", {
              params: { path: { group_id: group.id }, header: { "If-Match": call.ifMatch } },
              body: terms,
            });
          else await api.POST("/api/groups", { body: { ...terms, label: values.label, side } });
          await changed();
        }}
      >
        {(form) => (
          <>
            <TextInput
              label={t("adminGroups:groups.label")}
              description={t("adminGroups:groups.labelHint")}
              disabled={group !== null}
              {...form.getInputProps("label")}
            />
            <TextInput label={t("adminGroups:groups.name")} {...form.getInputProps("name")} />
            {side === "user" && (
              <Group grow align="flex-start">
                <TextInput
                  label={t("adminGroups:groups.allowance")}
                  description={t("adminGroups:groups.allowanceHint")}
                  inputMode="decimal"
                  {...form.getInputProps("allowance")}
                />
                <Select
                  label={t("adminGroups:groups.period")}
                  data={PERIODS.map((each) => ({ value: each, label: t(`common:periods.${each}`) }))}
                  {...form.getInputProps("period")}
                />
              </Group>
            )}
          </>
        )}
      </FormModal>
      {archiving && (
        <ConfirmDanger
          opened
          onClose={() => setArchiving(null)}
          title={t("adminGroups:groups.archiveTitle", { name: archiving.name })}
          effect={<Text size="sm">{t("adminGroups:groups.archiveEffect")}</Text>}
          word={archiving.label}
          submit={t("adminGroups:groups.archive")}
          entity={archiving}
          reload={() => readGroup(archiving.id)}
          onConfirm={async (call) => {
            await api.DELETE("/api/groups/{group_id}", {
              params: {
                path: { group_id: archiving.id },
                header: { "If-Match": call.ifMatch },
                query: { reason: call.reason },
              },
            });
            await changed();
          }}
        />
      )}
    </Section>
  );
}
