import { Button, Select, Switch, Table, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { FormDrawer } from "~/kit/Form";
import { History } from "~/kit/History";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Page, Section } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { useUrl } from "~/lib/url";
import { zones } from "~/lib/zones";
import { useMayHere, useTenantId } from "~/parts/account";
import { Myself } from "~/parts/Myself";
import { useTenant } from "~/shell/tenants";
import { tenantSettingsRoute } from "./routes";

type Tenant = Schema["TenantView"];

export default function TenantSettingsPage() {
  const { t } = useTranslation("tenantSettings");
  const [search, setSearch] = useUrl(tenantSettingsRoute);
  const tenantId = useTenantId();
  const tenant = useTenant(tenantId);
  return (
    <Page title={t("title")} about={t("about")}>
      <Loaded query={tenant}>{(account) => <Account tenant={account} />}</Loaded>
      <Myself
        isMaking={search.panel === "token"}
        onMake={(open) => setSearch({ panel: open ? "token" : undefined }, { push: open })}
      />
    </Page>
  );
}

function Account({ tenant }: { tenant: Tenant }) {
  const { t } = useTranslation(["tenantSettings", "common", "kit"]);
  const [search, setSearch] = useUrl(tenantSettingsRoute);
  const may = useMayHere();
  const client = useQueryClient();
  const valuesOf = (each: Tenant) => ({
    name: each.name,
    time_zone: each.time_zone,
    disconnect: each.disconnect,
    lower_output_limit: each.lower_output_limit,
  });
  const rows = [
    [t("tenantSettings:name"), tenant.name],
    [t("tenantSettings:accountId"), <Id key="id" value={tenant.id} keep={16} />],
    [t("tenantSettings:timeZone"), tenant.time_zone],
    [t("tenantSettings:disconnect"), t(`tenantSettings:disconnects.${tenant.disconnect}`)],
    [t("tenantSettings:lower"), tenant.lower_output_limit ? t("common:yes") : t("common:no")],
    [t("tenantSettings:group"), tenant.user_group],
  ] as const;
  const read = () => data(api.GET("/api/tenants/{tenant_id}", { params: { path: { tenant_id: tenant.id } } }));
  return (
    <Section
      title={t("tenantSettings:account")}
      about={may("tenant:write") ? undefined : t("tenantSettings:readOnly")}
      actions={
        <>
          <Button variant="subtle" onClick={() => setSearch({ panel: "history" }, { push: true })}>
            {t("kit:history.title")}
          </Button>
          {may("tenant:write") && (
            <Button
              variant="default"
              leftSection={<Icon name="edit" size={14} />}
              onClick={() => setSearch({ panel: "edit" }, { push: true })}
            >
              {t("common:change")}
            </Button>
          )}
        </>
      }
    >
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
      <FormDrawer<ReturnType<typeof valuesOf>>
        opened={search.panel === "edit"}
        onClose={() => setSearch({ panel: undefined })}
        title={t("tenantSettings:account")}
        initial={valuesOf(tenant)}
        entity={tenant}
        reload={read}
        valuesOf={valuesOf as never}
        reason
        validate={{ name: (name) => (name.trim() ? null : t("tenantSettings:nameMissing")) }}
        onSubmit={async (values, call) => {
          await api.PATCH("/api/tenants/{tenant_id}", {
            params: { path: { tenant_id: tenant.id }, header: { "If-Match": call.ifMatch } },
            body: { ...values, name: values.name.trim(), reason: call.reason },
          });
          void client.invalidateQueries({ queryKey: ["get", "/api/tenants/{tenant_id}"] });
          void client.invalidateQueries({ queryKey: ["get", "/api/tenants/{tenant_id}/history"] });
          void client.invalidateQueries({ queryKey: ["get", "/api/tenants"] });
        }}
      >
        {(form) => (
          <>
            <TextInput label={t("tenantSettings:name")} data-autofocus {...form.getInputProps("name")} />
            <Select
              label={t("tenantSettings:timeZone")}
              description={t("tenantSettings:timeZoneHint")}
              data={zones()}
              searchable
              limit={80}
              {...form.getInputProps("time_zone")}
            />
            <Select
              label={t("tenantSettings:disconnect")}
              data={(["drain", "abort"] as const).map((each) => ({
                value: each,
                label: t(`tenantSettings:disconnects.${each}`),
              }))}
              {...form.getInputProps("disconnect")}
            />
            <Switch
              label={t("tenantSettings:lower")}
              description={t("tenantSettings:lowerHint")}
              {...form.getInputProps("lower_output_limit", { type: "checkbox" })}
            />
          </>
        )}
      </FormDrawer>
      <SidePanel
        opened={search.panel === "history"}
        onClose={() => setSearch({ panel: undefined })}
        title={t("tenantSettings:history")}
      >
        <History path="/api/tenants/{tenant_id}/history" params={{ tenant_id: tenant.id }} />
      </SidePanel>
    </Section>
  );
}
