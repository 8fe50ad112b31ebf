import { Button, Menu } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { useAct } from "~/kit/Act";
import { Icon } from "~/kit/Icon";
import { isOperator, logOut, useMe } from "~/session/session";
import { useTenantNames } from "./tenants";

export function UserMenu() {
  const { act } = useAct();
  const { t } = useTranslation(["shell", "session"]);
  const me = useMe();
  const navigate = useNavigate();
  const names = useTenantNames();
  const who = me.user.name || me.user.login;
  return (
    <Menu position="bottom-end" width={230}>
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          size="xs"
          h={32}
          px={8}
          aria-label={t("shell:accountOf", { who })}
          leftSection={<Icon name="user" size={18} />}
        >
          <span className="tg-wide">{who}</span>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.user.login}</Menu.Label>
        {isOperator(me) && (
          <Menu.Item component={Link} to="/admin/overview" leftSection={<Icon name="gauge" />}>
            {t("shell:toOperator")}
          </Menu.Item>
        )}
        {me.user.memberships.map((membership) => (
          <Menu.Item
            key={membership.tenant_id}
            component={Link}
            {...({ to: "/t/$tenantId", params: { tenantId: String(membership.tenant_id) } } as object)}
            leftSection={<Icon name="building" />}
          >
            {names.get(membership.tenant_id) ?? t("shell:tenantNumber", { id: membership.tenant_id })}
          </Menu.Item>
        ))}
        <Menu.Divider />
        {isOperator(me) && (
          <Menu.Item component={Link} {...({ to: "/admin/account" } as object)} leftSection={<Icon name="user" />}>
            {t("shell:yourAccount")}
          </Menu.Item>
        )}
        <Menu.Item
          component={Link}
          {...({ to: "/login", search: { change: true } } as object)}
          leftSection={<Icon name="key" />}
        >
          {t("session:changePassword")}
        </Menu.Item>
        <Menu.Item
          leftSection={<Icon name="external" />}
          onClick={() =>
            act(async () => {
              await logOut();
              await navigate({ to: "/login" });
            })
          }
        >
          {t("session:signOut")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
