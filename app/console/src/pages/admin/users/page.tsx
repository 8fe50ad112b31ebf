import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Page } from "~/kit/Page";
import { SecretOnce } from "~/kit/SecretOnce";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { listed } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { TenantChoice, useTenantDirectory } from "~/parts/tenants";
import { useMay } from "~/session/session";
import { address } from "~/site";
import { UserPanel } from "./Panel";
import { adminUsersRoute } from "./routes";
import { UserForm } from "./UserForm";
import { PLATFORM_ROLES, stateOf, TONES, type User } from "./user";

/** As many as fit into one question for the last sign-ins. */
const ASKED_MAX = 400;

export default function AdminUsersPage() {
  const { t } = useTranslation(["adminUsers", "common"]);
  const [search, setSearch] = useUrl(adminUsersRoute);
  const may = useMay();
  const { nameOf } = useTenantDirectory();
  const [secret, setSecret] = useState<{ login: string; password: string } | null>(null);
  const filters = {
    search: search.search,
    platform_role: search.role,
    tenant_id: search.tenant,
    disabled: search.disabled,
    include_archived: search.archived,
  };
  const listing = useListing("/api/users", { query: { ...filters, sort: search.sort } });
  const asked = listing.rows.slice(0, ASKED_MAX).map((row) => row.id);
  const signIns = useQuery({
    queryKey: ["get", "/api/users/sign-ins", asked],
    queryFn: () => data(api.GET("/api/users/sign-ins", { params: { query: { user_ids: asked.join(",") } } })),
    enabled: asked.length > 0,
    placeholderData: keepPreviousData,
  });
  const lastOf = (user: User) => signIns.data?.items.find((each) => each.user_id === user.id);
  const placesOf = (user: User) => listed(user.memberships.map((each) => nameOf(each.tenant_id)));
  const columns: Column<User>[] = [
    {
      key: "name",
      header: t("common:name"),
      cell: (row) => row.name || row.login,
      csv: (row) => row.name,
      sort: "name",
      fixed: true,
    },
    { key: "login", header: t("adminUsers:columns.login"), cell: (row) => row.login, csv: (row) => row.login },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <Status tone={TONES[stateOf(row)]}>{t(`adminUsers:states.${stateOf(row)}`)}</Status>,
      csv: (row) => stateOf(row),
    },
    {
      key: "role",
      header: t("adminUsers:columns.role"),
      cell: (row) => (row.platform_role ? t(`common:roles.${row.platform_role}`) : <span className="tg-dim">–</span>),
      csv: (row) => row.platform_role,
    },
    {
      key: "tenants",
      header: t("adminUsers:columns.tenants"),
      cell: (row) => (row.memberships.length ? placesOf(row) : <span className="tg-dim">–</span>),
      csv: (row) => row.memberships.map((each) => `${each.tenant_id}:${each.role}`).join(" "),
    },
    {
      key: "signIn",
      header: t("adminUsers:columns.signIn"),
      cell: (row) => <Time at={lastOf(row)?.at} />,
      csv: (row) => lastOf(row)?.at,
    },
    {
      key: "address",
      header: t("adminUsers:sessions.address"),
      cell: (row) => lastOf(row)?.address ?? "–",
      csv: (row) => lastOf(row)?.address,
      hidden: true,
    },
    {
      key: "created",
      header: t("common:terms.created"),
      cell: (row) => <Time at={row.created_at} form="date" />,
      csv: (row) => row.created_at,
      sort: "created_at",
      hidden: true,
    },
    { key: "id", header: t("adminUsers:columns.id"), cell: (row) => <Id value={row.id} />, hidden: true },
  ];
  const fields: FilterField[] = [
    { key: "search", kind: "text", label: t("common:search"), isSearch: true, width: 180 },
    {
      key: "role",
      kind: "choice",
      label: t("adminUsers:columns.role"),
      options: PLATFORM_ROLES.map((each) => ({ value: each, label: t(`common:roles.${each}`) })),
      width: 190,
    },
    {
      key: "disabled",
      kind: "flag",
      label: t("common:terms.status"),
      yes: t("adminUsers:states.disabled"),
      no: t("adminUsers:notDisabled"),
      width: 130,
    },
    { key: "archived", kind: "flag", label: t("adminUsers:archivedToo"), width: 140 },
  ];
  const cleared = {
    search: undefined,
    role: undefined,
    tenant: undefined,
    disabled: undefined,
    archived: undefined,
  };
  const exported = new URLSearchParams();
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, String(value));
  const add = may("user:write") && (
    <Button leftSection={<Icon name="plus" />} onClick={() => setSearch({ new: true }, { push: true })}>
      {t("adminUsers:form.new")}
    </Button>
  );
  return (
    <Page title={t("adminUsers:title")} about={t("adminUsers:about")} actions={add}>
      <DataTable
        id="users"
        caption={t("adminUsers:title")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.id })) as never })}
        openId={search.row}
        sort={search.sort}
        onSort={(sort) => setSearch({ sort: sort as typeof search.sort })}
        filters={
          <Group gap="xs">
            <TenantChoice
              size="xs"
              width={240}
              placeholder={t("common:terms.tenant")}
              value={search.tenant ?? null}
              onChange={(tenant) => setSearch({ tenant: tenant ?? undefined })}
            />
            <Filters fields={fields} value={search} onChange={setSearch} />
          </Group>
        }
        filtered={Object.keys(cleared).some((key) => search[key as "search"] !== undefined)}
        onClear={() => setSearch(cleared)}
        exportUrl={address(`api/users/export?${exported}`)}
      />
      <UserPanel
        id={search.row}
        onClose={() => setSearch({ row: undefined, tab: undefined })}
        onPassword={(login, password) => setSecret({ login, password })}
      />
      <UserForm
        opened={search.new ?? false}
        onClose={() => setSearch({ new: undefined })}
        onMade={(login, password) => setSecret({ login, password })}
      />
      <Modal
        opened={secret !== null}
        onClose={() => setSecret(null)}
        title={t("adminUsers:password.made")}
        closeOnClickOutside={false}
        zIndex={400}
      >
        {secret && (
          <Stack>
            <SecretOnce secret={secret.password} label={t("adminUsers:password.of", { login: secret.login })} />
            <Text size="sm" c="dimmed">
              {t("adminUsers:password.next")}
            </Text>
            <Group justify="flex-end">
              <Button onClick={() => setSecret(null)}>{t("common:done")}</Button>
            </Group>
          </Stack>
        )}
      </Modal>
    </Page>
  );
}
