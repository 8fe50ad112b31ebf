import { TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { api, type Schema } from "~/api/client";
import { FormModal, isAmount } from "~/kit/Form";
import { isZero } from "~/lib/format";

/** Credit that was paid for. The key of the form sees to it that sending it twice is paying in once. */
export function TopUp(props: {
  tenant: Schema["TenantView"];
  opened: boolean;
  onClose: () => void;
  onDone: () => Promise<unknown>;
}) {
  const { t } = useTranslation("adminTenants");
  const { tenant } = props;
  return (
    <FormModal
      opened={props.opened}
      onClose={props.onClose}
      title={t("topUpTitle", { name: tenant.name })}
      about={t("topUpAbout")}
      submit={t("topUp")}
      initial={{ amount: "", reference: "" }}
      validate={{
        amount: (amount) => (!isAmount(amount) ? t("amountBad") : isZero(amount.trim()) ? t("amountPositive") : null),
      }}
      reason
      done={t("topUpDone")}
      onSubmit={async (values, call) => {
        await api.POST("/api/tenants/{tenant_id}/top-ups", {
          params: { path: { tenant_id: tenant.id }, header: { "Idempotency-Key": call.idempotencyKey } },
          body: { amount: values.amount.trim(), reference: values.reference, reason: call.reason },
        });
        await props.onDone();
      }}
    >
      {(form) => (
        <>
          <TextInput
            label={t("amount")}
            inputMode="decimal"
            placeholder="100.00"
            data-autofocus
            required
            {...form.getInputProps("amount")}
          />
          <TextInput label={t("reference")} description={t("referenceHint")} {...form.getInputProps("reference")} />
        </>
      )}
    </FormModal>
  );
}
