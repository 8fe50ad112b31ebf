import { Alert, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { Loaded } from "~/kit/Loaded";
import { Time } from "~/kit/Time";
import { count } from "~/lib/format";
import { useClientCode } from "~/parts/clientCodes";
import { site } from "~/site";
import { nanosText } from "./nanos";

/** Why requests were refused: the numbers that were in the way, and what to do. */
export function Refusal(props: { tenantId: number; id: string; keyName: (id: string) => string }) {
  const { t } = useTranslation(["tenantRequests", "account", "common"]);
  const codeOf = useClientCode();
  const query = useQuery({
    queryKey: ["get", "/api/tenants/{tenant_id}/refusals/{row_id}", props.tenantId, props.id],
    queryFn: () =>
      data(
        api.GET("/api/tenants/{tenant_id}/refusals/{row_id}", {
          params: { path: { tenant_id: props.tenantId, row_id: props.id } },
        }),
      ),
  });
  return (
    <Loaded query={query}>
      {(refusal) => {
        const known = codeOf(refusal.reason);
        // Money is counted in billionths of the currency.
        const inUnit = (units: number) =>
          refusal.unit === "money" ? `${nanosText(String(units))} ${site.currency}` : count(units);
        return (
          <Stack>
            <Alert
              color="yellow"
              icon={<Icon name="warning" />}
              title={t("tenantRequests:refused", { count: refusal.count })}
            >
              {known ? `${known.cause} ${known.fix}` : refusal.reason}
            </Alert>
            <Table className="tg-facts" withRowBorders={false}>
              <Table.Tbody>
                <Table.Tr>
                  <Table.Th scope="row">{t("common:terms.code")}</Table.Th>
                  <Table.Td>
                    <code>{refusal.reason}</code>
                  </Table.Td>
                </Table.Tr>
                <Table.Tr>
                  <Table.Th scope="row">{t("common:terms.time")}</Table.Th>
                  <Table.Td>
                    <Time at={refusal.last_at} form="full" />
                  </Table.Td>
                </Table.Tr>
                {refusal.model_asked && (
                  <Table.Tr>
                    <Table.Th scope="row">{t("common:terms.model")}</Table.Th>
                    <Table.Td>
                      <code>{refusal.model_asked}</code>
                    </Table.Td>
                  </Table.Tr>
                )}
                {refusal.token_id && (
                  <Table.Tr>
                    <Table.Th scope="row">{t("common:terms.key")}</Table.Th>
                    <Table.Td>{props.keyName(refusal.token_id)}</Table.Td>
                  </Table.Tr>
                )}
                {refusal.limit_name && (
                  <>
                    <Table.Tr>
                      <Table.Th scope="row">{t("common:limit")}</Table.Th>
                      <Table.Td>
                        <code>{refusal.limit_name}</code>
                      </Table.Td>
                    </Table.Tr>
                    <Table.Tr>
                      <Table.Th scope="row">{t("tenantRequests:needed")}</Table.Th>
                      <Table.Td>{inUnit(refusal.needed)}</Table.Td>
                    </Table.Tr>
                    {refusal.used !== null && (
                      <Table.Tr>
                        <Table.Th scope="row">{t("tenantRequests:usedThen")}</Table.Th>
                        <Table.Td>{inUnit(refusal.used)}</Table.Td>
                      </Table.Tr>
                    )}
                    <Table.Tr>
                      <Table.Th scope="row">
                        {refusal.limit_name === "wallet" ? t("tenantRequests:leftThen") : t("tenantRequests:upTo")}
                      </Table.Th>
                      <Table.Td>{inUnit(refusal.limit)}</Table.Td>
                    </Table.Tr>
                  </>
                )}
              </Table.Tbody>
            </Table>
            {refusal.text.map((line) => (
              <Text key={line} size="sm" c="dimmed" lang="en">
                {line}
              </Text>
            ))}
          </Stack>
        );
      }}
    </Loaded>
  );
}
