import { ActionIcon, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { api } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { FormDrawer } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { TenantChoice } from "~/parts/tenants";
import { useMe } from "~/session/session";
import {
  firstPassword,
  type Membership,
  PLATFORM_ROLES,
  readUser,
  TENANT_ROLES,
  type User,
  usersChanged,
} from "./user";

type Place = { tenant: number | null; role: Membership["role"]; budgets: Membership["budgets"] };
type Values = { name: string; login: string; role: string; places: Place[] };

const valuesOf = (user: User | undefined): Values => ({
  name: user?.name ?? "",
  login: user?.login ?? "",
  role: user?.platform_role ?? "",
  places: (user?.memberships ?? []).map((each) => ({
    tenant: each.tenant_id,
    role: each.role,
    budgets: each.budgets,
  })),
});

/** A person: name, login, role on the platform, and places in tenants. `onMade` gets the first password. */
export function UserForm(props: {
  opened: boolean;
  onClose: () => void;
  user?: User;
  onMade?: (login: string, password: string) => void;
}) {
  const { t } = useTranslation(["adminUsers", "common"]);
  const { user } = props;
  const own = useMe().user.platform_role;
  const roles = PLATFORM_ROLES.filter(
    (each) => own === "root" || each === user?.platform_role || (own === "admin" && /auditor|support/.test(each)),
  );
  return (
    <FormDrawer<Values>
      opened={props.opened}
      onClose={props.onClose}
      title={user ? t("adminUsers:form.change", { name: user.name || user.login }) : t("adminUsers:form.new")}
      about={user ? undefined : t("adminUsers:form.about")}
      initial={valuesOf(user)}
      entity={user}
      reload={user && (() => readUser(user.id))}
      valuesOf={valuesOf}
      reason
      done={user ? undefined : ""}
      validate={{
        name: (name) => (name.trim() ? null : t("adminUsers:form.nameMissing")),
        login: (login) => (login.trim() ? null : t("adminUsers:form.loginMissing")),
        places: (places) => {
          const chosen = places.map((each) => each.tenant);
          if (chosen.includes(null)) return t("adminUsers:form.tenantMissing");
          return new Set(chosen).size < chosen.length ? t("adminUsers:form.tenantTwice") : null;
        },
      }}
      onSubmit={async (values, call) => {
        const body = {
          name: values.name.trim(),
          login: values.login.trim(),
          platform_role: (values.role || null) as User["platform_role"],
          memberships: values.places.map((each) => ({
            tenant_id: each.tenant as number,
            role: each.role,
            budgets: each.budgets,
          })),
          reason: call.reason,
        };
        if (user)
          await api.PATCH("/api/users/{user_id}", {
            params: { path: { user_id: user.id }, header: { "If-Match": call.ifMatch } },
            body,
          });
        else {
          const password = firstPassword();
          await api.POST("/api/users", { body: { ...body, password } });
          props.onMade?.(body.login, password);
        }
        usersChanged();
      }}
    >
      {(form) => {
        const { places } = form.values;
        const put = (next: Place[]) => form.setFieldValue("places", next);
        return (
          <>
            <TextInput
              label={t("common:name")}
              withAsterisk
              autoComplete="off"
              data-autofocus
              {...form.getInputProps("name")}
            />
            <TextInput
              label={t("adminUsers:columns.login")}
              description={t("adminUsers:form.loginHint")}
              withAsterisk
              autoComplete="off"
              spellCheck={false}
              {...form.getInputProps("login")}
            />
            <Select
              label={t("adminUsers:columns.role")}
              description={t("adminUsers:form.roleHint")}
              data={[
                { value: "", label: t("adminUsers:noRole") },
                ...roles.map((each) => ({ value: each as string, label: t(`common:roles.${each}`) })),
              ]}
              allowDeselect={false}
              {...form.getInputProps("role")}
            />
            {form.values.role !== "" && (
              <Text size="sm" c="dimmed">
                {t(`adminUsers:roleMeaning.${form.values.role as "root"}`)}
              </Text>
            )}
            <Stack gap="xs">
              <Text size="sm" fw={600}>
                {t("adminUsers:columns.tenants")}
              </Text>
              {places.map((place, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a place has nothing else that stays while it is chosen.
                <Group key={index} gap="xs" wrap="nowrap" align="flex-end">
                  <TenantChoice
                    label={t("common:terms.tenant")}
                    value={place.tenant}
                    onChange={(tenant) => put(places.with(index, { ...place, tenant }))}
                  />
                  <Select
                    label={t("adminUsers:form.tenantRole")}
                    data={TENANT_ROLES.map((each) => ({ value: each as string, label: t(`common:roles.${each}`) }))}
                    value={place.role}
                    onChange={(role) => role && put(places.with(index, { ...place, role: role as Membership["role"] }))}
                    allowDeselect={false}
                  />
                  <ActionIcon
                    variant="default"
                    size={36}
                    aria-label={t("adminUsers:form.removePlace")}
                    onClick={() => put(places.toSpliced(index, 1))}
                  >
                    <Icon name="trash" />
                  </ActionIcon>
                </Group>
              ))}
              {form.errors.places && (
                <Text size="sm" c="red" role="alert">
                  {form.errors.places}
                </Text>
              )}
              <Group>
                <Button
                  size="xs"
                  variant="default"
                  leftSection={<Icon name="plus" size={14} />}
                  onClick={() => put([...places, { tenant: null, role: "member", budgets: [] }])}
                >
                  {t("adminUsers:form.addPlace")}
                </Button>
              </Group>
            </Stack>
          </>
        );
      }}
    </FormDrawer>
  );
}
