import { Alert, Badge, Button, Group, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api, data, type Schema } from "~/api/client";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { Status, type Tone } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { type Span, Waterfall } from "~/kit/Waterfall";
import { count, dateTime, decimal, exactMoney, milliseconds } from "~/lib/format";
import { nanosText } from "./nanos";
import { timelineOf } from "./timeline";

export type ReceiptView = Schema["ReceiptView"];

export const receiptQuery = (requestId: string) => ({
  queryKey: ["get", "/api/requests/{request_id}", requestId],
  queryFn: () => data(api.GET("/api/requests/{request_id}", { params: { path: { request_id: requestId } } })),
});

const TONES: Record<string, Tone> = {
  captured: "good",
  voided: "quiet",
  expired: "warn",
  held: "info",
  refused: "warn",
  attempt_failed: "bad",
  adjusted: "info",
};

/** How a request, or a row of the log, stands. */
export function RequestState(props: { state: string }) {
  const { t } = useTranslation("account");
  return (
    <Status tone={TONES[props.state] ?? "quiet"}>
      {t(`states.${props.state}` as "states.captured", { defaultValue: props.state })}
    </Status>
  );
}

/** A tenant's receipt: what a request cost and why, so that it can be checked with a pencil. */
export function Receipt(props: {
  requestId: string;
  keyName?: (id: string) => string;
  memberName?: (id: string) => string;
}) {
  return <ReceiptOf requestId={props.requestId}>{(receipt) => <Whole {...props} receipt={receipt} />}</ReceiptOf>;
}

/** What is known of a request, read anew until it ends. */
export function ReceiptOf(props: { requestId: string; children: (receipt: ReceiptView) => ReactNode }) {
  const { t } = useTranslation("account");
  const query = useQuery({
    ...receiptQuery(props.requestId),
    refetchInterval: (state) => (state.state.data?.state === "held" ? 1000 : false),
    // A call that has just been answered may not be in the log yet.
    retry: (failures, error) => failures < 5 && asProblem(error).status === 404,
    retryDelay: 400,
  });
  if (query.error && asProblem(query.error).status === 404)
    return <Alert icon={<Icon name="info" />}>{t("receipt.notThere")}</Alert>;
  return <Loaded query={query}>{props.children}</Loaded>;
}

function Whole(props: { receipt: ReceiptView; keyName?: (id: string) => string; memberName?: (id: string) => string }) {
  const { t } = useTranslation(["account", "common"]);
  const { receipt } = props;
  const { hold, end } = receipt;
  const tenantId = String(receipt.tenant_id);
  const tokens = Object.entries(end?.usage ?? {}).filter(
    (entry): entry is [string, number] => entry[0].endsWith("_tokens") && typeof entry[1] === "number",
  );
  const last = receipt.attempts[receipt.attempts.length - 1];
  const facts: [string, ReactNode][] = [
    [t("account:receipt.request"), <Id key="id" value={receipt.request_id} keep={12} />],
    [t("account:receipt.state"), <RequestState key="state" state={receipt.state} />],
    [t("account:receipt.at"), <Time key="at" at={hold.at} form="full" />],
    [t("account:receipt.asked"), <code key="asked">{hold.model_asked}</code>],
  ];
  if (hold.model_billed !== hold.model_asked)
    facts.push([t("account:receipt.billed"), <code key="billed">{hold.model_billed}</code>]);
  facts.push(
    [
      t("account:receipt.key"),
      <Link
        key="key"
        to="/t/$tenantId/keys"
        params={{ tenantId }}
        search={{ row: hold.token_id } as never}
        className="tg-link"
      >
        {props.keyName?.(hold.token_id) ?? hold.token_id}
      </Link>,
    ],
    [t("account:receipt.member"), props.memberName?.(hold.user_id) ?? hold.user_id],
  );
  if (hold.tags.length) facts.push([t("common:tags"), hold.tags.join(", ")]);
  if (end?.basis)
    facts.push([t("account:receipt.basis"), t(`account:receipt.bases.${end.basis}` as "account:receipt.bases.vendor")]);
  if (end?.reason) facts.push([t("account:receipt.reason"), <code key="reason">{end.reason}</code>]);

  return (
    <Stack gap="lg" className="tg-receipt">
      <Group justify="flex-end" className="tg-noprint">
        <Button
          variant="default"
          size="xs"
          leftSection={<Icon name="print" size={14} />}
          onClick={() => window.print()}
        >
          {t("account:receipt.print")}
        </Button>
      </Group>
      {receipt.state === "held" && <Alert icon={<Icon name="clock" />}>{t("account:receipt.underWay")}</Alert>}
      <Stats>
        <Stat
          label={t("account:receipt.charged")}
          value={<Money value={receipt.price?.charged ?? "0"} currency={receipt.currency} />}
          note={exactMoney(receipt.price?.charged ?? "0", receipt.currency)}
        />
        <Stat
          label={t("account:receipt.tokens")}
          value={count(tokens.reduce((sum, [, n]) => sum + n, 0))}
          note={tokens
            .map(([name, n]) => `${t(`account:meters.${name}` as "account:meters.calls")} ${count(n)}`)
            .join(" · ")}
        />
        <Stat
          label={t("account:receipt.total")}
          value={last ? milliseconds(last.latency_milliseconds) : "–"}
          note={
            last?.first_byte_milliseconds !== null && last !== undefined
              ? `${t("common:terms.firstByte")} ${milliseconds(last.first_byte_milliseconds)}`
              : undefined
          }
        />
      </Stats>
      <Table className="tg-facts" withRowBorders={false}>
        <Table.Tbody>
          {facts.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row">{name}</Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {end?.cached && <Badge variant="light">{t("account:receipt.cached")}</Badge>}
      <HowCharged receipt={receipt} />
      <Timeline receipt={receipt} />
      <SetAside receipt={receipt} />
    </Stack>
  );
}

/** Quantity times price, line by line, times the multiplier, rounded once: the whole sum. */
export function HowCharged({ receipt }: { receipt: ReceiptView }) {
  const { t } = useTranslation("account");
  const { price, currency } = receipt;
  if (!price)
    return (
      <Section title={t("receipt.how")}>
        <Text c="dimmed">{t("receipt.nothing")}</Text>
      </Section>
    );
  return (
    <Section title={t("receipt.how")}>
      <div className="tg-sum">
        <Table className="tg-table" data-density="compact">
          <Table.Caption className="tg-hidden">{t("receipt.how")}</Table.Caption>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("receipt.meter")}</Table.Th>
              <Table.Th className="tg-num">{t("receipt.quantity")}</Table.Th>
              <Table.Th className="tg-num">{t("receipt.price")}</Table.Th>
              <Table.Th className="tg-num">{t("receipt.subtotal")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {price.lines.map((line) => (
              <Table.Tr key={line.meter}>
                <Table.Td>{t(`meters.${line.meter}` as "meters.calls", { defaultValue: line.meter })}</Table.Td>
                <Table.Td className="tg-num">{count(line.quantity)}</Table.Td>
                <Table.Td className="tg-num">
                  <Money value={line.price} currency={currency} />{" "}
                  {line.per !== 1 && <span className="tg-dim">{t("receipt.per", { per: count(line.per) })}</span>}
                </Table.Td>
                <Table.Td className="tg-num">{nanosText(line.subtotal_nanos)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
          <Table.Tfoot>
            <Table.Tr>
              <Table.Td colSpan={3}>{t("receipt.multiplier")}</Table.Td>
              <Table.Td className="tg-num">{`× ${decimal(price.multiplier)}`}</Table.Td>
            </Table.Tr>
            <Table.Tr>
              <Table.Td colSpan={3}>{t("receipt.exact")}</Table.Td>
              <Table.Td className="tg-num">{nanosText(price.exact_nanos)}</Table.Td>
            </Table.Tr>
            <Table.Tr>
              <Table.Td colSpan={3}>{t("receipt.rounded")}</Table.Td>
              <Table.Td className="tg-num">{exactMoney(price.charged, currency)}</Table.Td>
            </Table.Tr>
          </Table.Tfoot>
        </Table>
      </div>
      <Stack gap={4} mt="xs">
        {price.input_tokens_from > 0 && (
          <Text size="sm">{t("receipt.tier", { tokens: count(price.input_tokens_from) })}</Text>
        )}
        {price.paid_by_allowance && <Text size="sm">{t("receipt.allowance")}</Text>}
        <Group gap="md">
          {price.matches ? (
            <Status tone="good">{t("receipt.verified")}</Status>
          ) : (
            <Status tone="bad">{t("receipt.broken", { amount: exactMoney(price.recomputed, currency) })}</Status>
          )}
          <Text size="xs" c="dimmed">
            {t("receipt.card", { version: price.card_version })}
          </Text>
        </Group>
      </Stack>
    </Section>
  );
}

/** Admission, each call with its first byte and its stream, and the settling: one after the other, in milliseconds. */
export function Timeline({ receipt }: { receipt: ReceiptView }) {
  const { t } = useTranslation(["account", "common"]);
  const { steps, total } = timelineOf(receipt);
  if (receipt.attempts.length === 0) return null;
  const spans: Span[] = steps.map((step) => {
    const { attempt } = step;
    const good = attempt === undefined || attempt.outcome === "completed";
    const shared = {
      key: `${step.kind}-${step.number}`,
      startMilliseconds: step.start,
      milliseconds: step.milliseconds,
    };
    return step.kind === "attempt"
      ? {
          ...shared,
          label: t("account:receipt.attempt", { n: step.number }),
          tone: good ? "good" : "bad",
          note: good ? undefined : attempt?.code || attempt?.outcome,
        }
      : { ...shared, label: t(`account:receipt.steps.${step.kind}`), tone: "quiet" };
  });
  return (
    <Section title={t("account:receipt.timeline")} about={t("account:receipt.timelineAbout")}>
      <div className="tg-scroll-x">
        <Waterfall spans={spans} totalMilliseconds={total} caption={t("account:receipt.timeline")} />
      </div>
    </Section>
  );
}

/** What was set aside before, what was given back after, and which grants paid. */
export function SetAside({ receipt }: { receipt: ReceiptView }) {
  const { t } = useTranslation("account");
  const { hold, burnt, currency, end } = receipt;
  return (
    <Section title={t("receipt.held")}>
      <Table className="tg-facts" withRowBorders={false}>
        <Table.Tbody>
          <Table.Tr>
            <Table.Th scope="row">{t("receipt.heldUpper")}</Table.Th>
            <Table.Td>
              <Money value={hold.authorized} currency={currency} />
            </Table.Td>
          </Table.Tr>
          {end && end.overrun !== "0" && (
            <Table.Tr>
              <Table.Th scope="row">{t("receipt.overrun")}</Table.Th>
              <Table.Td>
                <Money value={end.overrun} currency={currency} />
              </Table.Td>
            </Table.Tr>
          )}
          {burnt.map((burn) => (
            <Table.Tr key={burn.account}>
              <Table.Th scope="row">{t("receipt.burnt")}</Table.Th>
              <Table.Td>
                <Money value={burn.amount} currency={currency} />{" "}
                {burn.account.startsWith("grant.") ? (
                  <Link
                    to="/t/$tenantId/wallet"
                    params={{ tenantId: String(receipt.tenant_id) }}
                    search={{ grant: burn.account.split(":")[1] } as never}
                    className="tg-link"
                  >
                    {t("receipt.grant")}
                  </Link>
                ) : (
                  t("receipt.credit")
                )}
              </Table.Td>
            </Table.Tr>
          ))}
          {receipt.adjustments.map((adjustment) => (
            <Table.Tr key={adjustment.event_id}>
              <Table.Th scope="row">{t("receipt.adjustments")}</Table.Th>
              <Table.Td>
                <Money value={adjustment.charged} currency={currency} signed /> {adjustment.reason}{" "}
                <span className="tg-dim">{dateTime(adjustment.at)}</span>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Section>
  );
}
