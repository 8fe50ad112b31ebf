import { Alert, Button, Modal, Select, Stack, Table, Text, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { useListing, wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { Code } from "~/kit/Code";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { FormDrawer, FormModal } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { count, money } from "~/lib/format";
import { useBar } from "~/lib/range";
import { useUrl } from "~/lib/url";
import { useKeys, useMayHere, useTenantId } from "~/parts/account";
import { type Budget, BudgetsInput, budgetsProblem, LimitLines } from "~/parts/Budgets";
import { groupedPoints, type Sums, seriesOf, useTop, useUsage } from "~/parts/usage";
import { useMe } from "~/session/session";
import { address, site } from "~/site";
import { tenantMembersRoute } from "./routes";

type Member = Schema["MemberView"];
type Role = Member["role"];
type Invitation = Schema["InvitationView"];

const ROLES: readonly Role[] = ["owner", "admin", "member", "billing", "viewer"];
/** Only owners make owners: whoever may not give a role is not offered it. */
const givable = (own: Role | null): Role[] =>
  ROLES.filter((each) => own === null || own === "owner" || each !== "owner");

const readMember = async (tenantId: number, userId: string): Promise<Member> => {
  const answer = await data(
    api.GET("/api/tenants/{tenant_id}/members", {
      params: { path: { tenant_id: tenantId }, query: { limit: 500, include_archived: true } },
    }),
  );
  return answer.items.find((each) => each.user_id === userId) as Member;
};

export default function TenantMembersPage() {
  const { t } = useTranslation(["tenantMembers", "common"]);
  const [search, setSearch] = useUrl(tenantMembersRoute);
  const tenantId = useTenantId();
  const may = useMayHere();
  const me = useMe();
  const listing = useListing("/api/tenants/{tenant_id}/members", {
    path: { tenant_id: tenantId },
    query: { search: search.search, sort: "name" },
  });
  const bar = useBar("30d");
  const spend = useTop({ tenant_id: tenantId, by: "user", from: bar.from, to: bar.to, limit: 500 });
  const [removing, setRemoving] = useState<Member | null>(null);
  const sums = new Map<string, Sums>((spend.data?.rows ?? []).map((row) => [row.keys.user ?? "", row.sums]));
  const open = listing.rows.find((row) => row.user_id === search.row);
  const mayWrite = may("member:write");
  const own = me.user.memberships.find((each) => each.tenant_id === tenantId)?.role ?? null;

  const columns: Column<Member>[] = [
    {
      key: "name",
      header: t("common:name"),
      cell: (row) => row.name || row.login,
      csv: (row) => row.name,
      fixed: true,
    },
    { key: "login", header: t("tenantMembers:login"), cell: (row) => row.login, csv: (row) => row.login },
    {
      key: "role",
      header: t("tenantMembers:role"),
      cell: (row) => t(`common:roles.${row.role}`),
      csv: (row) => row.role,
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) =>
        row.disabled ? (
          <Status tone="quiet">{t("common:disabled")}</Status>
        ) : (
          <Status tone="good">{t("tenantMembers:active")}</Status>
        ),
      csv: (row) => row.disabled,
    },
    {
      key: "limits",
      header: t("tenantMembers:limit"),
      cell: (row) => <LimitLines budgets={row.budgets} />,
    },
    {
      key: "spent",
      header: t("tenantMembers:spent"),
      cell: (row) => (
        <Money
          value={sums.get(row.user_id)?.charged ?? "0"}
          to={{
            to: "/t/$tenantId/requests",
            params: { tenantId: String(tenantId) },
            search: { user_id: row.user_id, range: "30d" } as never,
          }}
        />
      ),
      csv: (row) => sums.get(row.user_id)?.charged ?? "0",
      numeric: true,
    },
    {
      key: "requests",
      header: t("common:terms.requests"),
      cell: (row) => count(sums.get(row.user_id)?.requests ?? 0),
      csv: (row) => sums.get(row.user_id)?.requests ?? 0,
      numeric: true,
    },
  ];
  const fields: FilterField[] = [{ key: "search", kind: "text", label: t("common:search"), isSearch: true }];
  const mayTouch = (row: Member) => mayWrite && (own === null || own === "owner" || row.role !== "owner");
  return (
    <Page
      title={t("tenantMembers:title")}
      about={t("tenantMembers:about")}
      bar={may("report:read") ? { range: true, otherwise: "30d" } : undefined}
      actions={
        mayWrite && (
          <Button leftSection={<Icon name="plus" />} onClick={() => setSearch({ invite: true }, { push: true })}>
            {t("tenantMembers:invite")}
          </Button>
        )
      }
    >
      <DataTable
        id="members"
        caption={t("tenantMembers:title")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.user_id}
        openId={search.row}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={search.search !== undefined}
        onClear={() => setSearch({ search: undefined })}
        rowActions={
          mayWrite
            ? (row) =>
                mayTouch(row) && (
                  <>
                    <Button
                      variant="subtle"
                      size="compact-xs"
                      onClick={() => setSearch({ row: row.user_id }, { push: true })}
                    >
                      {t("common:change")}
                    </Button>
                    {row.user_id !== me.user.id && (
                      <Button variant="subtle" color="red" size="compact-xs" onClick={() => setRemoving(row)}>
                        {t("common:remove")}
                      </Button>
                    )}
                  </>
                )
            : undefined
        }
      />
      {mayWrite && <Invitations />}
      {may("report:read") && (
        <SpendByMember names={new Map(listing.rows.map((each) => [each.user_id, each.name || each.login]))} />
      )}
      <RolesTable />
      {open && (
        <ChangeMember
          key={`${open.user_id}:${open.version}`}
          member={open}
          roles={givable(own)}
          onClose={() => setSearch({ row: undefined })}
        />
      )}
      {removing && <RemoveMember member={removing} onClose={() => setRemoving(null)} />}
      <Invite opened={search.invite ?? false} roles={givable(own)} onClose={() => setSearch({ invite: undefined })} />
    </Page>
  );
}

function useReread() {
  const client = useQueryClient();
  return () => {
    void client.invalidateQueries({ queryKey: ["get", "/api/tenants/{tenant_id}/members"] });
    void client.invalidateQueries({ queryKey: ["get", "/api/tenants/{tenant_id}/invitations"] });
    void client.invalidateQueries({ queryKey: ["get", "/api/limits"] });
  };
}

function ChangeMember(props: { member: Member; roles: Role[]; onClose: () => void }) {
  const { t } = useTranslation(["tenantMembers", "account", "common"]);
  const tenantId = useTenantId();
  const reread = useReread();
  const { member } = props;
  const valuesOf = (each: Member) => ({ role: each.role, budgets: [...each.budgets] as Budget[] });
  return (
    <FormDrawer<{ role: Role; budgets: Budget[] }>
      opened
      onClose={props.onClose}
      title={t("tenantMembers:change", { name: member.name || member.login })}
      initial={valuesOf(member)}
      entity={member}
      reload={() => readMember(tenantId, member.user_id)}
      valuesOf={valuesOf as never}
      reason
      validate={{
        budgets: (budgets) => {
          const wrong = budgetsProblem(budgets);
          return wrong && t(`account:budgetProblems.${wrong}`);
        },
      }}
      onSubmit={async (values, call) => {
        await api.PATCH("/api/tenants/{tenant_id}/members/{user_id}", {
          params: {
            path: { tenant_id: tenantId, user_id: member.user_id },
            header: { "If-Match": call.ifMatch },
          },
          body: { ...values, reason: call.reason },
        });
        reread();
      }}
    >
      {(form) => (
        <>
          <RoleSelect roles={props.roles} {...form.getInputProps("role")} />
          <BudgetsInput
            value={form.getValues().budgets}
            onChange={(budgets) => form.setFieldValue("budgets", budgets)}
            error={form.errors.budgets as string | undefined}
          />
          <Text size="sm" c="dimmed">
            {t("tenantMembers:limitHint")}
          </Text>
        </>
      )}
    </FormDrawer>
  );
}

function RoleSelect(props: { roles: Role[]; value?: Role; onChange?: (role: Role) => void }) {
  const { t } = useTranslation(["tenantMembers", "common"]);
  return (
    <Select
      label={t("tenantMembers:role")}
      description={props.value && t(`tenantMembers:mayDo.${props.value}`)}
      data={props.roles.map((each) => ({ value: each, label: t(`common:roles.${each}`) }))}
      value={props.value ?? null}
      onChange={(role) => role && props.onChange?.(role as Role)}
    />
  );
}

function RemoveMember(props: { member: Member; onClose: () => void }) {
  const { t } = useTranslation(["tenantMembers", "common"]);
  const tenantId = useTenantId();
  const reread = useReread();
  const { keys } = useKeys(tenantId);
  const { member } = props;
  const active = keys.filter((each) => each.user_id === member.user_id && !each.revoked && !each.archived).length;
  return (
    <ConfirmDanger
      opened
      onClose={props.onClose}
      title={t("tenantMembers:removeTitle", { name: member.name || member.login })}
      word={member.login}
      submit={t("common:remove")}
      entity={member}
      reload={() => readMember(tenantId, member.user_id)}
      done={t("tenantMembers:removed")}
      effect={
        <>
          <Text size="sm">{t("tenantMembers:removeText")}</Text>
          <Text size="sm">{t("tenantMembers:removeKeys", { count: active })}</Text>
        </>
      }
      onConfirm={async (call) => {
        await api.DELETE("/api/tenants/{tenant_id}/members/{user_id}", {
          params: {
            path: { tenant_id: tenantId, user_id: member.user_id },
            header: { "If-Match": call.ifMatch },
            query: { reason: call.reason },
          },
        });
        reread();
      }}
    />
  );
}

/** The link goes by mail where there is a mail server; otherwise it is shown, this once, to be handed over. */
function Invite(props: { opened: boolean; roles: Role[]; onClose: () => void }) {
  const { t } = useTranslation(["tenantMembers", "common", "kit"]);
  const tenantId = useTenantId();
  const reread = useReread();
  const [made, setMade] = useState<Schema["CreatedInvitation"] | null>(null);
  const link = made?.secret ? `${address("accept")}#${made.secret}` : null;
  return (
    <>
      <FormModal<{ login: string; role: Role }>
        opened={props.opened}
        onClose={props.onClose}
        title={t("tenantMembers:invite")}
        about={t("tenantMembers:inviteAbout")}
        submit={t("tenantMembers:sendInvitation")}
        initial={{ login: "", role: "member" }}
        validate={{ login: (login) => (login.trim() ? null : t("tenantMembers:loginMissing")) }}
        done=""
        onSubmit={async ({ login, role }) => {
          setMade(
            await data(
              api.POST("/api/tenants/{tenant_id}/invitations", {
                params: { path: { tenant_id: tenantId } },
                body: { login: login.trim(), role },
              }),
            ),
          );
          reread();
        }}
      >
        {(form) => (
          <>
            <TextInput
              label={t("tenantMembers:email")}
              type="email"
              autoComplete="off"
              data-autofocus
              {...form.getInputProps("login")}
            />
            <RoleSelect roles={props.roles} {...form.getInputProps("role")} />
          </>
        )}
      </FormModal>
      <Modal opened={made !== null} onClose={() => setMade(null)} title={t("tenantMembers:invited")} size="lg">
        <Stack>
          {link ? (
            <>
              <Alert color="yellow" icon={<Icon name="link" />}>
                {t("tenantMembers:handOver")}
              </Alert>
              <Code text={link} label={t("tenantMembers:link")} />
            </>
          ) : (
            <Text>{t("tenantMembers:mailed", { login: made?.login ?? "" })}</Text>
          )}
          <Button onClick={() => setMade(null)} className="tg-self-start">
            {t("common:done")}
          </Button>
        </Stack>
      </Modal>
    </>
  );
}

function Invitations() {
  const { t } = useTranslation(["tenantMembers", "common"]);
  const tenantId = useTenantId();
  const reread = useReread();
  const [withdrawing, setWithdrawing] = useState<Invitation | null>(null);
  const query = useQuery({
    queryKey: ["get", "/api/tenants/{tenant_id}/invitations", tenantId],
    queryFn: async () =>
      (await data(api.GET("/api/tenants/{tenant_id}/invitations", { params: { path: { tenant_id: tenantId } } })))
        .items,
  });
  if (!query.data?.length) return null;
  return (
    <Section title={t("tenantMembers:invitations")} about={t("tenantMembers:invitationsAbout")}>
      <DataTable
        id="invitations"
        caption={t("tenantMembers:invitations")}
        plain
        listing={wholeListing(query.data, query)}
        rowId={(row) => row.id}
        columns={[
          { key: "login", header: t("tenantMembers:email"), cell: (row) => row.login },
          { key: "role", header: t("tenantMembers:role"), cell: (row) => t(`common:roles.${row.role}`) },
          { key: "expires", header: t("tenantMembers:expires"), cell: (row) => <Time at={row.expires_at} /> },
        ]}
        rowActions={(row) => (
          <Button variant="subtle" color="red" size="compact-xs" onClick={() => setWithdrawing(row)}>
            {t("tenantMembers:withdraw")}
          </Button>
        )}
      />
      <FormModal<Record<string, never>>
        opened={withdrawing !== null}
        onClose={() => setWithdrawing(null)}
        title={t("tenantMembers:withdraw")}
        about={t("tenantMembers:withdrawText", { login: withdrawing?.login ?? "" })}
        submit={t("tenantMembers:withdraw")}
        danger
        initial={{}}
        done={t("tenantMembers:withdrawn")}
        onSubmit={async () => {
          await api.DELETE("/api/tenants/{tenant_id}/invitations/{invitation_id}", {
            params: { path: { tenant_id: tenantId, invitation_id: withdrawing?.id ?? "" } },
          });
          reread();
        }}
      >
        {() => null}
      </FormModal>
    </Section>
  );
}

function SpendByMember(props: { names: Map<string, string> }) {
  const { t } = useTranslation(["tenantMembers", "common"]);
  const tenantId = useTenantId();
  const bar = useBar("30d");
  const usage = useUsage({
    tenant_id: tenantId,
    by: "user",
    from: bar.from,
    to: bar.to,
    bucket: bar.bucket,
    zone: bar.zone,
    top: 8,
  });
  if (!usage.data?.rows.length) return null;
  const { points, keys } = groupedPoints(usage.data, "user", (sums) => sums.charged, "0");
  return (
    <Chart
      title={t("tenantMembers:spend")}
      unit={site.currency}
      kind="bars"
      stacked
      points={points}
      series={seriesOf(keys, (key) => (key === "(rest)" ? t("common:terms.rest") : (props.names.get(key) ?? key)))}
      format={(figure) => money(String(figure))}
      totals
    />
  );
}

/** What each role may do, in words. */
function RolesTable() {
  const { t } = useTranslation(["tenantMembers", "common"]);
  return (
    <Section title={t("tenantMembers:roles")}>
      <Table className="tg-facts" withRowBorders={false}>
        <Table.Tbody>
          {ROLES.map((role) => (
            <Table.Tr key={role}>
              <Table.Th scope="row">{t(`common:roles.${role}`)}</Table.Th>
              <Table.Td>{t(`tenantMembers:mayDo.${role}`)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Section>
  );
}
