import { Alert, NumberInput, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, data, queryClient, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { type Call, FormDrawer, isAmount } from "~/kit/Form";
import { isZero, localZone, money } from "~/lib/format";
import { instantOf } from "~/lib/wallTime";
import { followMovement, useBalance } from "~/parts/balance";
import { type Act, afterwards } from "./credit";
import { TenantChoice, useTenantDirectory } from "./tenants";

type Values = {
  tenant: number | null;
  amount: string;
  kind: string;
  expires: string;
  priority: number | string;
  reference: string;
  reason: string;
  request: string;
  strict: boolean;
  typed: string;
};

const REQUEST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whatever shows money of a wallet reads it again. */
export function moneyMoved(): void {
  const paths = ["/api/reports/balances", "/api/reports/credit", "/api/reports/overview"];
  const ofTenants = ["/api/tenants/{tenant_id}/balance", "/api/tenants/{tenant_id}/movements"];
  for (const path of [...paths, ...ofTenants]) void queryClient.invalidateQueries({ queryKey: ["get", path] });
}

/**
 * Put credit into a wallet or take it out of it. Before what takes money away, or gives it back, the name of the tenant is
 * typed; what the wallet will have afterwards is told for all four.
 */
export function MoveMoney(props: {
  act: Act | undefined;
  tenant: number | null;
  request: string;
  onClose: () => void;
}) {
  const { t } = useTranslation(["adminWallets", "common"]);
  const { nameOf } = useTenantDirectory();
  const act = props.act ?? "top_up";
  const confirmed = act === "adjust" || act === "refund";
  return (
    <FormDrawer<Values>
      opened={props.act !== undefined}
      onClose={props.onClose}
      title={t(`adminWallets:acts.${act}`)}
      about={t(`adminWallets:actsAbout.${act}`)}
      submit={t(`adminWallets:acts.${act}`)}
      danger={confirmed}
      done={t(`adminWallets:actsDone.${act}`)}
      initial={{
        tenant: props.tenant,
        amount: "",
        kind: "promotional",
        expires: "",
        priority: 50,
        reference: "",
        reason: "",
        request: props.request,
        strict: true,
        typed: "",
      }}
      validate={{
        tenant: (tenant) => (tenant === null ? t("adminWallets:form.tenantMissing") : null),
        amount: (amount) => (isAmount(amount) && !isZero(amount.trim()) ? null : t("adminWallets:form.amountWrong")),
        request: (request) =>
          act === "refund" && !REQUEST_ID.test(request.trim()) ? t("adminWallets:form.requestWrong") : null,
        reason: (reason) => (confirmed && !reason.trim() ? t("adminWallets:form.reasonMissing") : null),
        expires: (expires) =>
          act === "grant" && expires && Date.parse(instantOf(expires, localZone())) <= Date.now()
            ? t("adminWallets:form.expiresPast")
            : null,
        typed: (typed, values) =>
          confirmed && values.tenant !== null && typed.trim() !== nameOf(values.tenant)
            ? t("adminWallets:form.typeName", { name: nameOf(values.tenant) })
            : null,
      }}
      onSubmit={async (values, call) => {
        const made = await move(act, values, call);
        moneyMoved();
        if (made) void followMovement(values.tenant as number, made.event_id);
      }}
    >
      {(form) => {
        const { tenant, amount } = form.values;
        return (
          <>
            {act === "refund" && (
              <TextInput
                label={t("adminWallets:form.request")}
                description={t("adminWallets:form.requestHint")}
                withAsterisk
                spellCheck={false}
                data-autofocus
                {...form.getInputProps("request")}
              />
            )}
            {act === "refund" && REQUEST_ID.test(form.values.request.trim()) && (
              <Charged
                request={form.values.request.trim()}
                onTenant={(found, charged) => {
                  if (tenant !== found) form.setFieldValue("tenant", found);
                  if (!amount) form.setFieldValue("amount", charged);
                }}
              />
            )}
            {act !== "refund" && (
              <TenantChoice
                label={t("common:terms.tenant")}
                required
                value={tenant}
                onChange={(next) => form.setFieldValue("tenant", next)}
                error={form.errors.tenant}
              />
            )}
            <TextInput
              label={t("common:terms.amount")}
              inputMode="decimal"
              autoComplete="off"
              withAsterisk
              {...form.getInputProps("amount")}
            />
            {act === "grant" && (
              <>
                <Select
                  label={t("adminWallets:form.kind")}
                  description={t("adminWallets:form.kindHint")}
                  allowDeselect={false}
                  data={(["promotional", "paid", "allowance"] as const).map((kind) => ({
                    value: kind,
                    label: t(`adminWallets:grantKinds.${kind}`),
                  }))}
                  {...form.getInputProps("kind")}
                />
                <TextInput
                  type="datetime-local"
                  label={t("adminWallets:form.expires")}
                  description={t("adminWallets:form.expiresHint", { zone: localZone() })}
                  {...form.getInputProps("expires")}
                />
                <NumberInput
                  label={t("adminWallets:form.priority")}
                  description={t("adminWallets:form.priorityHint")}
                  min={0}
                  max={100}
                  allowDecimal={false}
                  {...form.getInputProps("priority")}
                />
              </>
            )}
            {act !== "refund" && (
              <TextInput
                label={t("adminWallets:form.reference")}
                description={t("adminWallets:form.referenceHint")}
                {...form.getInputProps("reference")}
              />
            )}
            <TextInput
              label={t("common:reason")}
              description={t("common:reasonHint")}
              withAsterisk={confirmed}
              {...form.getInputProps("reason")}
            />
            {act === "adjust" && (
              <Switch
                label={t("adminWallets:form.strict")}
                description={t("adminWallets:form.strictHint")}
                {...form.getInputProps("strict", { type: "checkbox" })}
              />
            )}
            {tenant !== null && isAmount(amount) && (
              <Effect act={act} tenant={tenant} name={nameOf(tenant)} amount={amount.trim()} />
            )}
            {confirmed && tenant !== null && (
              <TextInput
                label={t("adminWallets:form.typeName", { name: nameOf(tenant) })}
                autoComplete="off"
                spellCheck={false}
                {...form.getInputProps("typed")}
              />
            )}
          </>
        );
      }}
    </FormDrawer>
  );
}

async function move(act: Act, values: Values, call: Call): Promise<Schema["MovementView"] | undefined> {
  const params = {
    path: { tenant_id: values.tenant as number },
    header: { "Idempotency-Key": call.idempotencyKey },
  };
  const amount = values.amount.trim();
  const why = { reason: values.reason.trim() };
  const reference = values.reference.trim();
  switch (act) {
    case "top_up":
      return data(api.POST("/api/tenants/{tenant_id}/top-ups", { params, body: { amount, reference, ...why } }));
    case "grant":
      return data(
        api.POST("/api/tenants/{tenant_id}/grants", {
          params,
          body: {
            amount,
            kind: values.kind as "paid",
            priority: Number(values.priority),
            expires_at: values.expires ? instantOf(values.expires, localZone()) : null,
            reference,
            ...why,
          },
        }),
      );
    case "adjust":
      return data(
        api.POST("/api/tenants/{tenant_id}/adjustments", {
          params,
          body: { amount, reference, strict: values.strict, ...why },
        }),
      );
    case "refund":
      return data(
        api.POST("/api/tenants/{tenant_id}/refunds", {
          params,
          body: { amount, request_id: values.request.trim(), ...why },
        }),
      );
  }
}

/** What a request cost, and whose it was. */
function Charged(props: { request: string; onTenant: (tenant: number, charged: string) => void }) {
  const { t } = useTranslation("adminWallets");
  const receipt = useQuery({
    queryKey: ["get", "/api/requests/{request_id}", props.request, "refund"],
    queryFn: async () => {
      const found = await data(
        api.GET("/api/requests/{request_id}", { params: { path: { request_id: props.request } } }),
      );
      props.onTenant(found.tenant_id, found.price?.charged ?? "");
      return found;
    },
  });
  if (receipt.error) return <Failure problem={receipt.error} compact />;
  if (!receipt.data) return null;
  return (
    <Alert color="gray" variant="light">
      {t("form.charged", {
        model: receipt.data.hold.model_billed,
        amount: money(receipt.data.price?.charged ?? "0", receipt.data.currency),
      })}
    </Alert>
  );
}

function Effect(props: { act: Act; tenant: number; name: string; amount: string }) {
  const { t } = useTranslation("adminWallets");
  const wallet = useBalance(props.tenant).data;
  if (!wallet) return null;
  const texts = {
    name: props.name,
    amount: money(props.amount, wallet.currency),
    before: money(afterwards("top_up", wallet, "0"), wallet.currency),
    after: money(afterwards(props.act, wallet, props.amount), wallet.currency),
  };
  return (
    <Stack component="section" gap={4} className="tg-effect" aria-label={t("effect.title")}>
      <Text size="sm">{t(`effect.${props.act}`, texts)}</Text>
      <Text size="sm" fw={600}>
        {t("effect.balance", texts)}
      </Text>
    </Stack>
  );
}
