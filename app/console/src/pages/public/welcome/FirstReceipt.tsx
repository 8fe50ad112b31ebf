import { Alert, Button, Group, Stack, Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { Money } from "~/kit/Money";
import { Scroll } from "~/kit/Scroll";
import { Stat, Stats } from "~/kit/Stat";
import { type Amount, count, decimal, exactMoney, milliseconds, money } from "~/lib/format";

/** Nano-units as the receipt computes them, before the one rounding: an amount with more decimals than money has. */
export function nanosAsAmount(nanos: string): Amount {
  const [whole = "0", rest = ""] = nanos.replace("-", "").split(".");
  const padded = whole.padStart(10, "0");
  const digits = `${padded.slice(0, -9)}.${padded.slice(-9)}${rest}`.replace(/0+$/, "").replace(/\.$/, "");
  return nanos.startsWith("-") ? `-${digits}` : digits;
}

/** The moment that the first steps lead to: what the call cost, and why. */
export function FirstReceipt(props: { receipt: Schema["ReceiptView"]; available: Amount | null }) {
  const { t } = useTranslation("publicWelcome");
  const { receipt } = props;
  const { price } = receipt;
  const tokens = price?.lines.reduce((sum, line) => sum + (line.meter.endsWith("_tokens") ? line.quantity : 0), 0) ?? 0;
  const answered = receipt.attempts[receipt.attempts.length - 1];
  const meterName = (meter: string) => t(`meters.${meter as "calls"}`, { defaultValue: meter });
  return (
    <Stack data-testid="first-receipt">
      <Alert color="teal" icon={<Icon name="check" />} role="status" title={t("call.arrived")}>
        <Text size="sm" component="code">
          {receipt.hold.model_asked}
        </Text>
      </Alert>
      <Stats>
        <Stat label={t("call.charged")} value={<Money value={price?.charged ?? "0"} currency={receipt.currency} />} />
        <Stat label={t("call.balance")} value={<Money value={props.available} currency={receipt.currency} />} />
        <Stat label={t("call.tokens")} value={count(tokens)} />
        {answered && <Stat label={t("call.latency")} value={milliseconds(answered.latency_milliseconds)} />}
      </Stats>
      {price && (
        <Scroll label={t("call.meter")}>
          <Table className="tg-table" data-density="compact">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("call.meter")}</Table.Th>
                <Table.Th className="tg-num">{t("call.quantity")}</Table.Th>
                <Table.Th className="tg-num">{t("call.price")}</Table.Th>
                <Table.Th className="tg-num">{t("call.subtotal")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {price.lines.map((line) => (
                <Table.Tr key={line.meter}>
                  <Table.Td>{meterName(line.meter)}</Table.Td>
                  <Table.Td className="tg-num">{count(line.quantity)}</Table.Td>
                  <Table.Td className="tg-num">
                    {t("call.per", { price: money(line.price, receipt.currency), per: count(line.per) })}
                  </Table.Td>
                  <Table.Td className="tg-num">
                    {exactMoney(nanosAsAmount(line.subtotal_nanos), receipt.currency)}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
            <Table.Tfoot>
              <Table.Tr>
                <Table.Td>{t("call.multiplier")}</Table.Td>
                <Table.Td colSpan={3} className="tg-num">
                  {decimal(price.multiplier)}
                </Table.Td>
              </Table.Tr>
              <Table.Tr>
                <Table.Td>{t("call.sum")}</Table.Td>
                <Table.Td colSpan={3} className="tg-num">
                  {exactMoney(price.charged, receipt.currency)}
                </Table.Td>
              </Table.Tr>
            </Table.Tfoot>
          </Table>
        </Scroll>
      )}
      {price && (
        <Text size="sm" c="dimmed">
          {`${t("call.rounded")} · ${price.matches ? t("call.agrees") : t("call.differs")}`}
        </Text>
      )}
      <Group>
        <Button
          component={Link}
          to="/admin/requests/$requestId"
          params={{ requestId: receipt.request_id } as never}
          data-testid="open-receipt"
        >
          {t("call.receipt")}
        </Button>
        <Button component={Link} to="/admin/overview" variant="default">
          {t("call.overview")}
        </Button>
      </Group>
    </Stack>
  );
}
