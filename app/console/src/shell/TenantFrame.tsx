import { useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "~/i18n/use";
import { TENANT_NAV } from "~/nav";
import { may, useMe } from "~/session/session";
import { ConsoleFrame } from "./ConsoleFrame";
import { useTenant } from "./tenants";

export default function TenantFrame() {
  const { t } = useTranslation("shell");
  const me = useMe();
  const { tenantId } = useParams({ from: "/t/$tenantId" });
  const tenant = useTenant(Number(tenantId));
  const params = useMemo(() => ({ tenantId }), [tenantId]);
  const entries = useMemo(
    () => TENANT_NAV.filter((entry) => may(me, entry.permission, Number(tenantId))),
    [me, tenantId],
  );
  return (
    <ConsoleFrame
      face="tenant"
      subject={tenant.data?.name ?? t("tenantNumber", { id: tenantId })}
      entries={entries}
      params={params}
    />
  );
}
