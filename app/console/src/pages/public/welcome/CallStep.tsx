import { Alert, Button, Group, Loader, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { Loaded } from "~/kit/Loaded";
import { SecretOnce } from "~/kit/SecretOnce";
import { money } from "~/lib/format";
import { useBalance } from "~/parts/balance";
import { FirstReceipt } from "./FirstReceipt";

const POLL_MILLISECONDS = 1500;

/** The key with its snippets, then the receipt of the call that they made. */
export function CallStep(props: {
  started: Schema["Started"] | null;
  tenantId: number | undefined;
  model: string;
  onAnother: () => void;
}) {
  const { t } = useTranslation("publicWelcome");
  const { started, tenantId } = props;
  const calls = useQuery({
    queryKey: ["first call", tenantId],
    queryFn: () =>
      data(
        api.GET("/api/reports/requests", {
          params: { query: { tenant_id: tenantId, states: "captured", limit: 1 } },
        }),
      ),
    enabled: tenantId !== undefined,
    refetchInterval: (of) => (of.state.data?.items.length ? false : POLL_MILLISECONDS),
    refetchIntervalInBackground: true,
  });
  const first = calls.data?.items[0];
  if (first?.request_id) return <Receipt requestId={first.request_id} tenantId={first.tenant_id} />;
  return (
    <Stack>
      {started?.secret ? (
        <>
          <Text size="sm">{t("tenant.made", { name: started.tenant.name, credit: money(started.credit ?? "0") })}</Text>
          <SecretOnce secret={started.secret} label={t("tenant.secret")} model={props.model} />
        </>
      ) : (
        <Alert color="yellow" icon={<Icon name="key" />}>
          <Stack gap="sm" align="flex-start">
            <Text size="sm">{t("tenant.again")}</Text>
            <Button size="xs" variant="default" onClick={props.onAnother}>
              {t("tenant.another")}
            </Button>
          </Stack>
        </Alert>
      )}
      <Group gap="sm" role="status" data-testid="waiting">
        <Loader size="xs" aria-hidden="true" />
        <Text size="sm" c="dimmed">
          {t("call.waiting")}
        </Text>
      </Group>
    </Stack>
  );
}

function Receipt(props: { requestId: string; tenantId: number }) {
  const receipt = useQuery({
    queryKey: ["get", "/api/requests/{request_id}", props.requestId],
    queryFn: () => data(api.GET("/api/requests/{request_id}", { params: { path: { request_id: props.requestId } } })),
  });
  const balance = useBalance(props.tenantId);
  return (
    <Loaded query={receipt}>
      {(read) => <FirstReceipt receipt={read} available={balance.data?.available ?? null} />}
    </Loaded>
  );
}
