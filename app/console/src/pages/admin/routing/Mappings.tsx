import { Button, Group, Select, Stack, Switch, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, ifMatch } from "~/api/client";
import { useListing } from "~/api/listing";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { Failure } from "~/kit/Failure";
import { type FilterField, Filters } from "~/kit/Filters";
import { FormDrawer } from "~/kit/Form";
import { History } from "~/kit/History";
import { Loaded } from "~/kit/Loaded";
import { Section } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { count } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { TenantChoice, TenantName } from "~/parts/tenants";
import { useMay } from "~/session/session";
import { useDayOf } from "./day";
import { ModelInput } from "./ModelInput";
import { adminRoutingRoute } from "./routes";
import { type Mapping, readMapping, routingChanged } from "./routing";

/** Names that stand for other models, for everybody or for one tenant. */
export function Mappings() {
  const { t } = useTranslation(["adminRouting", "common"]);
  const [search, setSearch] = useUrl(adminRoutingRoute);
  const listing = useListing("/api/mappings", {
    query: {
      search: search.search,
      enabled: search.enabled,
      include_archived: search.archived,
      tenant_id: search.tenant,
      sort: search.sort,
    },
  });
  const fields: FilterField[] = [
    { key: "search", kind: "text", label: t("adminRouting:models.find"), isSearch: true },
    {
      key: "enabled",
      kind: "flag",
      label: t("common:terms.status"),
      yes: t("common:enabled"),
      no: t("common:disabled"),
      width: 130,
    },
    { key: "archived", kind: "flag", label: t("adminRouting:archived"), width: 130 },
  ];
  const columns: Column<Mapping>[] = [
    {
      key: "model",
      header: t("adminRouting:mappings.model"),
      cell: (row) => row.model,
      csv: (row) => row.model,
      sort: "name",
      fixed: true,
    },
    { key: "target", header: t("adminRouting:mappings.target"), cell: (row) => row.target, csv: (row) => row.target },
    {
      key: "tenant",
      header: t("adminRouting:scope"),
      cell: (row) => (row.tenant_id === null ? t("adminRouting:everybody") : <TenantName id={row.tenant_id} />),
      csv: (row) => row.tenant_id,
    },
    {
      key: "billed",
      header: t("adminRouting:mappings.billed"),
      hint: t("adminRouting:mappings.billedHint"),
      cell: (row) => t(`adminRouting:billed.${row.billed}`),
      csv: (row) => row.billed,
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <InUse row={row} />,
      csv: (row) => (row.archived ? "archived" : row.enabled ? "enabled" : "disabled"),
    },
    {
      key: "updated",
      header: t("common:terms.updated"),
      cell: (row) => <Time at={row.updated_at} />,
      csv: (row) => row.updated_at,
      sort: "updated_at",
    },
  ];
  const close = () => setSearch({ row: undefined });
  return (
    <>
      <DataTable
        id="mappings"
        caption={t("adminRouting:tabs.mappings")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.id })) as never })}
        openId={search.row}
        sort={search.sort}
        onSort={(sort) => setSearch({ sort: sort as typeof search.sort })}
        filters={
          <>
            <Filters fields={fields} value={search} onChange={setSearch} />
            <TenantChoice
              size="xs"
              width={190}
              placeholder={t("common:terms.tenant")}
              value={search.tenant ?? null}
              onChange={(id) => setSearch({ tenant: id ?? undefined })}
            />
          </>
        }
        filtered={[search.search, search.enabled, search.archived, search.tenant].some((each) => each !== undefined)}
        onClear={() => setSearch({ search: undefined, enabled: undefined, archived: undefined, tenant: undefined })}
        empty={{ title: t("adminRouting:mappings.empty"), text: t("adminRouting:mappings.emptyText") }}
      />
      <Panel id={search.row} onClose={close} />
      <MappingForm
        opened={search.new ?? false}
        onClose={() => setSearch({ new: undefined })}
        onMade={(id) => setSearch({ new: undefined, row: id })}
      />
    </>
  );
}

/** Whether something is used, in a word. */
export function InUse({ row }: { row: { archived: boolean; enabled: boolean } }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  if (row.archived) return <Status tone="quiet">{t("adminRouting:archived")}</Status>;
  return row.enabled ? (
    <Status tone="good">{t("common:enabled")}</Status>
  ) : (
    <Status tone="quiet">{t("common:disabled")}</Status>
  );
}

function Panel(props: { id: string | undefined; onClose: () => void }) {
  const { t } = useTranslation("adminRouting");
  const found = useQuery({
    queryKey: ["get", "/api/mappings", "one", props.id],
    queryFn: () => readMapping(props.id as string),
    enabled: props.id !== undefined,
  });
  return (
    <SidePanel
      opened={props.id !== undefined}
      onClose={props.onClose}
      title={found.data?.model ?? t("mappings.one")}
      wide
    >
      <Loaded query={found}>{(mapping) => <Details key={mapping.id} mapping={mapping} />}</Loaded>
    </SidePanel>
  );
}

function Details({ mapping }: { mapping: Mapping }) {
  const { t } = useTranslation(["adminRouting", "common", "kit"]);
  const may = useMay();
  const [doing, setDoing] = useState<"change" | "archive" | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const day = useDayOf(mapping.model, mapping.tenant_id);
  const at = { params: { path: { mapping_id: mapping.id }, header: { "If-Match": ifMatch(mapping) } } };
  const run = async (work: () => Promise<unknown>) => {
    setProblem(null);
    try {
      await work();
      notifications.show({ message: t("common:saved") });
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    routingChanged();
  };
  return (
    <Stack gap="lg">
      {may("pricing:write") && (
        <Group gap="xs">
          {mapping.archived ? (
            <Button
              size="xs"
              variant="default"
              onClick={() =>
                run(() =>
                  api.POST("/api/mappings/{entity_id}/restore", {
                    params: { path: { entity_id: mapping.id }, header: at.params.header },
                    body: {},
                  }),
                )
              }
            >
              {t("common:restore")}
            </Button>
          ) : (
            <>
              <Button size="xs" variant="default" onClick={() => setDoing("change")}>
                {t("common:change")}
              </Button>
              <Button
                size="xs"
                variant="default"
                onClick={() =>
                  run(() => api.PATCH("/api/mappings/{mapping_id}", { ...at, body: { enabled: !mapping.enabled } }))
                }
              >
                {mapping.enabled ? t("adminRouting:switchOff") : t("adminRouting:switchOn")}
              </Button>
              <Button size="xs" variant="default" color="red" onClick={() => setDoing("archive")}>
                {t("adminRouting:archive")}
              </Button>
            </>
          )}
        </Group>
      )}
      {problem !== null && <Failure problem={problem} compact />}
      <dl className="tg-fact-list">
        <div>
          <dt>{t("adminRouting:mappings.target")}</dt>
          <dd>{mapping.target}</dd>
        </div>
        <div>
          <dt>{t("adminRouting:scope")}</dt>
          <dd>{mapping.tenant_id === null ? t("adminRouting:everybody") : <TenantName id={mapping.tenant_id} />}</dd>
        </div>
        <div>
          <dt>{t("adminRouting:mappings.billed")}</dt>
          <dd>{t(`adminRouting:billed.${mapping.billed}`)}</dd>
        </div>
        <div>
          <dt>{t("common:terms.status")}</dt>
          <dd>
            <InUse row={mapping} />
          </dd>
        </div>
        <div>
          <dt>{t("adminRouting:mappings.day")}</dt>
          <dd>{day === null ? "–" : count(day)}</dd>
        </div>
        <div>
          <dt>{t("common:terms.created")}</dt>
          <dd>
            <Time at={mapping.created_at} form="full" />
          </dd>
        </div>
      </dl>
      <Section title={t("adminRouting:history")}>
        <History path="/api/mappings/{mapping_id}/history" params={{ mapping_id: mapping.id }} />
      </Section>
      <MappingForm mapping={mapping} opened={doing === "change"} onClose={() => setDoing(null)} />
      <ConfirmDanger
        opened={doing === "archive"}
        onClose={() => setDoing(null)}
        title={t("adminRouting:mappings.archiveTitle", { name: mapping.model })}
        effect={t("adminRouting:mappings.archiveEffect", {
          count: day ?? 0,
          model: mapping.model,
          target: mapping.target,
        })}
        word={mapping.model}
        submit={t("adminRouting:archive")}
        entity={mapping}
        reload={() => readMapping(mapping.id)}
        onConfirm={async (call) => {
          await api.DELETE("/api/mappings/{mapping_id}", {
            params: {
              path: { mapping_id: mapping.id },
              header: { "If-Match": call.ifMatch },
              query: { reason: call.reason },
            },
          });
          routingChanged();
        }}
      />
    </Stack>
  );
}

type Values = { model: string; target: string; tenant: number | null; billed: Mapping["billed"]; enabled: boolean };

const valuesOf = (mapping: Mapping): Values => ({
  model: mapping.model,
  target: mapping.target,
  tenant: mapping.tenant_id,
  billed: mapping.billed,
  enabled: mapping.enabled,
});

function MappingForm(props: {
  opened: boolean;
  onClose: () => void;
  mapping?: Mapping;
  onMade?: (id: string) => void;
}) {
  const { t } = useTranslation(["adminRouting", "common"]);
  const { mapping } = props;
  return (
    <FormDrawer<Values>
      opened={props.opened}
      onClose={props.onClose}
      title={mapping ? t("adminRouting:mappings.changeTitle", { name: mapping.model }) : t("adminRouting:mappings.add")}
      initial={mapping ? valuesOf(mapping) : { model: "", target: "", tenant: null, billed: "routed", enabled: true }}
      entity={mapping}
      reload={mapping ? () => readMapping(mapping.id) : undefined}
      valuesOf={valuesOf as never}
      reason
      validate={{
        model: (model) => (model.trim() ? null : t("adminRouting:mappings.modelNeeded")),
        target: (target, values) =>
          !target.trim()
            ? t("adminRouting:mappings.targetNeeded")
            : target.trim() === values.model.trim()
              ? t("adminRouting:mappings.targetSame")
              : null,
      }}
      onSubmit={async (values, call) => {
        const body = {
          model: values.model.trim(),
          target: values.target.trim(),
          billed: values.billed,
          enabled: values.enabled,
          reason: call.reason,
        };
        if (mapping) {
          await api.PATCH("/api/mappings/{mapping_id}", {
            params: { path: { mapping_id: mapping.id }, header: { "If-Match": call.ifMatch } },
            body,
          });
        } else {
          const made = await data(api.POST("/api/mappings", { body: { ...body, tenant_id: values.tenant } }));
          props.onMade?.(made.id);
        }
        routingChanged();
      }}
    >
      {(form) => (
        <>
          <TextInput
            label={t("adminRouting:mappings.model")}
            description={t("adminRouting:mappings.modelHint")}
            required
            {...form.getInputProps("model")}
          />
          <ModelInput label={t("adminRouting:mappings.target")} required {...form.getInputProps("target")} />
          <TenantChoice
            label={t("adminRouting:mappings.tenant")}
            description={t("adminRouting:mappings.tenantHint")}
            value={form.values.tenant}
            onChange={(id) => form.setFieldValue("tenant", id)}
            disabled={mapping !== undefined}
          />
          <Select
            label={t("adminRouting:mappings.billed")}
            description={t("adminRouting:mappings.billedHint")}
            data={(["routed", "asked"] as const).map((each) => ({
              value: each,
              label: t(`adminRouting:billed.${each}`),
            }))}
            allowDeselect={false}
            {...form.getInputProps("billed")}
          />
          <Switch label={t("common:enabled")} {...form.getInputProps("enabled", { type: "checkbox" })} />
        </>
      )}
    </FormDrawer>
  );
}
