import { Alert, Badge, Button, Group, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import {
  addAmounts,
  count,
  dateTime,
  decimal,
  exactMoney,
  isZero,
  milliseconds,
  money,
  percent,
  plotted,
  subtractAmounts,
} from "~/lib/format";
import { MoveMoney } from "~/parts/MoveMoney";
import { useMay } from "~/session/session";
import { site } from "~/site";
import { useChannelDirectory, useKeyDirectory, useUserDirectory } from "./directory";
import { Facts } from "./Facts";
import { nanosText } from "./nanos";
import { HowCharged, ReceiptOf, type ReceiptView, RequestState, SetAside, Timeline } from "./Receipt";
import { useTenantDirectory } from "./tenants";

/** A receipt with what only the operator may know: cost, margin, attempts, routing, and the entries of the ledger. */
export function OperatorReceipt(props: { requestId: string }) {
  return <ReceiptOf requestId={props.requestId}>{(receipt) => <Whole receipt={receipt} />}</ReceiptOf>;
}

type Part = { receipt: ReceiptView };

function Whole({ receipt }: Part) {
  const { t } = useTranslation(["adminRequests", "account", "common"]);
  const may = useMay();
  const tenants = useTenantDirectory();
  const [refunding, setRefunding] = useState(false);
  const [again, setAgain] = useState(false);
  const { hold, end, price } = receipt;
  const canRefund = price !== null && !price.paid_by_allowance && !isZero(price.charged);
  const channels = useChannelDirectory();
  const last = receipt.attempts[receipt.attempts.length - 1];
  return (
    <Stack gap="lg" className="tg-receipt">
      <div className="tg-letterhead">
        <Text fw={700}>{site.name}</Text>
        <Text size="sm">{dateTime(new Date())}</Text>
      </div>
      <Group justify="flex-end" gap="xs" className="tg-noprint">
        {price && (
          <Button
            variant="default"
            size="xs"
            leftSection={<Icon name="scale" size={14} />}
            onClick={() => setAgain(true)}
            disabled={again}
          >
            {t("adminRequests:receipt.recompute")}
          </Button>
        )}
        {canRefund && may("credit:grant") && (
          <Button
            variant="default"
            size="xs"
            leftSection={<Icon name="wallet" size={14} />}
            onClick={() => setRefunding(true)}
          >
            {t("adminRequests:receipt.refund")}
          </Button>
        )}
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
      {end?.cached && (
        <Alert icon={<Icon name="info" />} title={t("account:receipt.cached")}>
          {t("account:receipt.cachedHint")}
        </Alert>
      )}
      <Figures receipt={receipt} />
      {again && <Recomputed receipt={receipt} />}
      <Facts
        rows={[
          [t("account:receipt.request"), <Id key="id" value={receipt.request_id} keep={40} />],
          [t("account:receipt.state"), <RequestState key="state" state={receipt.state} />],
          [t("account:receipt.at"), <Time key="at" at={hold.at} form="full" />],
          [
            t("common:terms.tenant"),
            <Link
              key="tenant"
              to="/admin/tenants/$tenantId"
              params={{ tenantId: String(receipt.tenant_id) }}
              className="tg-link"
            >
              {tenants.nameOf(receipt.tenant_id)}
            </Link>,
          ],
          [t("common:terms.key"), <KeyName key="key" id={hold.token_id} />],
          [t("common:terms.user"), <UserName key="user" id={hold.user_id} />],
          [t("account:receipt.asked"), <code key="asked">{hold.model_asked}</code>],
          [
            t("account:receipt.billed"),
            hold.model_billed === hold.model_asked ? null : <code key="billed">{hold.model_billed}</code>,
          ],
          [
            t("adminRequests:receipt.served"),
            last ? (
              <span key="served">
                <ChannelLink id={last.channel_id} nameOf={channels.nameOf} /> <code>{last.model_routed}</code>
              </span>
            ) : null,
          ],
          [
            t("adminRequests:receipt.surface"),
            <span key="surface">
              {t(`adminRequests:surfaces.${hold.surface}` as "adminRequests:surfaces.chat", {
                defaultValue: hold.surface,
              })}
              {hold.stream && (
                <>
                  {" "}
                  <Badge size="xs" variant="light">
                    {t("adminRequests:receipt.streamed")}
                  </Badge>
                </>
              )}
            </span>,
          ],
          [
            t("adminRequests:receipt.groups"),
            t("adminRequests:receipt.groupsValue", { user: hold.user_group, channel: hold.channel_group }),
          ],
          [t("common:tags"), hold.tags.length ? hold.tags.join(", ") : null],
          [
            t("account:receipt.basis"),
            end?.basis ? t(`account:receipt.bases.${end.basis}` as "account:receipt.bases.vendor") : null,
          ],
          [t("account:receipt.reason"), end?.reason ? <code key="reason">{end.reason}</code> : null],
        ]}
      />
      {hold.output_limit_lowered && (
        <Text size="sm">{t("adminRequests:receipt.lowered", { count: hold.output_tokens_max })}</Text>
      )}
      <Attempts receipt={receipt} nameOf={channels.nameOf} />
      <Timeline receipt={receipt} />
      <Usage receipt={receipt} />
      <HowCharged receipt={receipt} />
      <PriceRows receipt={receipt} />
      <SetAside receipt={receipt} />
      <Refunds receipt={receipt} />
      <Routing receipt={receipt} nameOf={channels.nameOf} />
      <Limits receipt={receipt} />
      <Entries receipt={receipt} />
      <MoveMoney
        act={refunding ? "refund" : undefined}
        tenant={receipt.tenant_id}
        request={receipt.request_id}
        onClose={() => setRefunding(false)}
      />
    </Stack>
  );
}

function KeyName(props: { id: string }) {
  const keys = useKeyDirectory();
  return (
    <Link to="/admin/tokens" search={{ row: props.id } as never} className="tg-link">
      {keys.nameOf(props.id)}
    </Link>
  );
}

function UserName(props: { id: string }) {
  const users = useUserDirectory();
  return (
    <Link to="/admin/users" search={{ row: props.id } as never} className="tg-link">
      {users.nameOf(props.id)}
    </Link>
  );
}

function ChannelLink(props: { id: string; nameOf: (id: string) => string }) {
  return (
    <Link to="/admin/channels" search={{ row: props.id } as never} className="tg-link">
      {props.nameOf(props.id)}
    </Link>
  );
}

/** What was earned by it: the charge, what the vendor asks for it, and what is left. */
function Figures({ receipt }: Part) {
  const { t } = useTranslation(["adminRequests", "account", "common"]);
  const { price, currency, attempts } = receipt;
  const wallet = price && !price.paid_by_allowance ? price.charged : "0";
  const charged = addAmounts(wallet, ...receipt.adjustments.map((each) => each.charged));
  const costs = attempts.map((each) => each.cost).filter((cost) => cost !== null);
  const cost = costs.length < attempts.length ? null : addAmounts("0", ...costs);
  const margin = cost === null ? null : subtractAmounts(charged, cost);
  const whole = plotted(charged) ?? 0;
  const tokens = tokensOf(receipt);
  const last = attempts[attempts.length - 1];
  return (
    <Stats>
      <Stat
        label={t("account:receipt.charged")}
        value={<Money value={charged} currency={currency} />}
        note={exactMoney(charged, currency)}
      />
      <Stat
        label={t("adminRequests:receipt.cost")}
        value={<Money value={cost} currency={currency} />}
        note={
          cost === null
            ? t("adminRequests:receipt.costUnknown")
            : attempts.length > 1
              ? t("adminRequests:receipt.costNote", { count: attempts.length })
              : exactMoney(cost, currency)
        }
      />
      <Stat
        label={t("adminRequests:receipt.margin")}
        value={<Money value={margin} currency={currency} />}
        note={
          margin !== null && whole > 0
            ? t("adminRequests:receipt.marginNote", { share: percent((plotted(margin) ?? 0) / whole) })
            : undefined
        }
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
        value={last ? milliseconds(attempts.reduce((sum, each) => sum + each.latency_milliseconds, 0)) : "–"}
        note={
          last && last.first_byte_milliseconds !== null
            ? `${t("common:terms.firstByte")} ${milliseconds(last.first_byte_milliseconds)}`
            : undefined
        }
      />
    </Stats>
  );
}

const tokensOf = (receipt: ReceiptView): [string, number][] =>
  Object.entries(receipt.end?.usage ?? {}).filter(
    (entry): entry is [string, number] => entry[0].endsWith("_tokens") && typeof entry[1] === "number",
  );

/** The charge, made again by the server: from what was stored with it, and from the list as it was published. */
function Recomputed({ receipt }: Part) {
  const { t } = useTranslation("adminRequests");
  const query = useQuery({
    queryKey: ["get", "/api/reports/charges/{request_id}", receipt.request_id],
    queryFn: () =>
      data(api.GET("/api/reports/charges/{request_id}", { params: { path: { request_id: receipt.request_id } } })),
  });
  const verdict = (same: boolean | null) =>
    same === null ? (
      <Status tone="quiet">{t("receipt.cardGone")}</Status>
    ) : same ? (
      <Status tone="good">{t("receipt.same")}</Status>
    ) : (
      <Status tone="bad">{t("receipt.different")}</Status>
    );
  return (
    <Section title={t("receipt.recomputed")}>
      <Loaded query={query}>
        {(charge) => (
          <Stack gap="xs">
            <Facts
              rows={[
                [
                  t("receipt.fromFactors"),
                  <Group key="factors" gap="md">
                    {exactMoney(charge.from_factors, receipt.currency)}
                    {verdict(charge.factors_match)}
                  </Group>,
                ],
                [
                  t("receipt.fromCard"),
                  <Group key="card" gap="md">
                    {charge.from_card !== null && exactMoney(charge.from_card, receipt.currency)}
                    {verdict(charge.card_matches)}
                  </Group>,
                ],
              ]}
            />
            <details>
              <summary>{t("receipt.words")}</summary>
              <ol className="tg-notes" lang="en">
                {charge.text.map((line) => (
                  <li key={line}>{line}</li>
                ))}
              </ol>
            </details>
          </Stack>
        )}
      </Loaded>
    </Section>
  );
}

/** Rows of figures, small: they have a heading already. */
function Rows(props: { caption: string; heads: [name: string, numeric?: boolean][]; children: ReactNode }) {
  return (
    <div className="tg-scroll-x">
      <Table className="tg-table" data-density="compact">
        <Table.Caption className="tg-hidden">{props.caption}</Table.Caption>
        <Table.Thead>
          <Table.Tr>
            {props.heads.map(([name, numeric]) => (
              <Table.Th key={name} className={numeric ? "tg-num" : undefined}>
                {name}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{props.children}</Table.Tbody>
      </Table>
    </div>
  );
}

function Attempts({ receipt, nameOf }: Part & { nameOf: (id: string) => string }) {
  const { t } = useTranslation(["adminRequests", "account"]);
  const title = t("account:receipt.attempts");
  if (receipt.attempts.length === 0)
    return (
      <Section title={title}>
        <Text size="sm" c="dimmed">
          {t("adminRequests:receipt.noAttempts")}
        </Text>
      </Section>
    );
  return (
    <Section title={title}>
      <Rows
        caption={title}
        heads={[
          ["#"],
          [t("adminRequests:receipt.channel")],
          [t("adminRequests:receipt.model")],
          [t("adminRequests:receipt.outcome")],
          [t("adminRequests:receipt.http"), true],
          [t("adminRequests:receipt.firstByte"), true],
          [t("adminRequests:receipt.duration"), true],
          [t("adminRequests:receipt.attemptCost"), true],
        ]}
      >
        {receipt.attempts.map((attempt, index) => {
          const outcome = t(`adminRequests:outcomes.${attempt.outcome}` as "adminRequests:outcomes.completed", {
            defaultValue: attempt.outcome,
          });
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: an attempt is known by its place.
            <Table.Tr key={index}>
              <Table.Td>{index + 1}</Table.Td>
              <Table.Td>
                <ChannelLink id={attempt.channel_id} nameOf={nameOf} />
              </Table.Td>
              <Table.Td>
                <code>{attempt.model_routed}</code>
              </Table.Td>
              <Table.Td>
                <Status tone={attempt.outcome === "completed" ? "good" : "bad"}>{outcome}</Status>
                {attempt.code && <code className="tg-mono tg-dim">{` ${attempt.code}`}</code>}
              </Table.Td>
              <Table.Td className="tg-num">{attempt.status || "–"}</Table.Td>
              <Table.Td className="tg-num">
                {attempt.first_byte_milliseconds === null ? "–" : milliseconds(attempt.first_byte_milliseconds)}
              </Table.Td>
              <Table.Td className="tg-num">{milliseconds(attempt.latency_milliseconds)}</Table.Td>
              <Table.Td className="tg-num">
                <Money value={attempt.cost} currency={receipt.currency} />
              </Table.Td>
            </Table.Tr>
          );
        })}
      </Rows>
    </Section>
  );
}

/** What was used of each kind, charged for or not. */
function Usage({ receipt }: Part) {
  const { t } = useTranslation(["adminRequests", "account"]);
  const usage = Object.entries(receipt.end?.usage ?? {}).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number" && entry[1] > 0,
  );
  if (usage.length === 0) return null;
  const sum = tokensOf(receipt).reduce((total, [, n]) => total + n, 0);
  const title = t("adminRequests:receipt.usage");
  return (
    <Section title={title}>
      <Rows
        caption={title}
        heads={[
          [t("adminRequests:receipt.kind")],
          [t("account:receipt.quantity"), true],
          [t("adminRequests:receipt.share"), true],
        ]}
      >
        {usage.map(([kind, n]) => (
          <Table.Tr key={kind}>
            <Table.Td>{t(`account:meters.${kind}` as "account:meters.calls", { defaultValue: kind })}</Table.Td>
            <Table.Td className="tg-num">{count(n)}</Table.Td>
            <Table.Td className="tg-num">{kind.endsWith("_tokens") && sum > 0 ? percent(n / sum) : "–"}</Table.Td>
          </Table.Tr>
        ))}
      </Rows>
    </Section>
  );
}

/** Which list and which multiplier the prices are from. */
function PriceRows({ receipt }: Part) {
  const { t } = useTranslation("adminRequests");
  const { price } = receipt;
  if (!price) return null;
  return (
    <Section title={t("receipt.prices")}>
      <Facts
        rows={[
          [
            t("receipt.priceList"),
            <Group key="list" gap="xs">
              <Link to="/admin/prices" search={{ card: price.card_id } as never} className="tg-link">
                {t("receipt.version", { version: price.card_version })}
              </Link>
              <Id value={price.card_id} />
            </Group>,
          ],
          [
            t("receipt.multiplier"),
            price.multiplier_id === null ? (
              t("receipt.noMultiplier")
            ) : (
              <Group key="multiplier" gap="xs">
                <Link to="/admin/groups" className="tg-link">
                  {`× ${decimal(price.multiplier)}`}
                </Link>
                <Id value={price.multiplier_id} />
              </Group>
            ),
          ],
          [
            t("receipt.rounding"),
            t(`receipt.roundings.${price.rounding}` as "receipt.roundings.half_even", {
              defaultValue: price.rounding,
            }),
          ],
        ]}
      />
    </Section>
  );
}

/** Credit that was given back for it since. */
function Refunds({ receipt }: Part) {
  const { t } = useTranslation("adminRequests");
  const may = useMay();
  const query = useQuery({
    queryKey: ["get", "/api/tenants/{tenant_id}/movements", receipt.tenant_id, "refunds of", receipt.request_id],
    queryFn: async () => {
      const found = await data(
        api.GET("/api/tenants/{tenant_id}/movements", {
          params: {
            path: { tenant_id: receipt.tenant_id },
            query: { source: "refund", from: receipt.hold.at, limit: 500 },
          },
        }),
      );
      return found.items.filter((each) => each.reference === receipt.request_id);
    },
    enabled: may("balance:read", receipt.tenant_id),
    // What was just given back is there as soon as the read model has come to it.
    refetchInterval: 3000,
  });
  if (!query.data?.length) return null;
  return (
    <Section
      title={t("receipt.refunds")}
      about={t("receipt.refundedNote", {
        amount: money(addAmounts(...query.data.map((each) => each.amount)), receipt.currency),
      })}
    >
      <Facts
        rows={query.data.map((each) => [
          dateTime(each.at),
          <Group key={each.event_id} gap="xs">
            <Money value={each.amount} currency={receipt.currency} signed />
            <Text size="sm">{each.reason}</Text>
          </Group>,
        ])}
      />
    </Section>
  );
}

function Routing({ receipt, nameOf }: Part & { nameOf: (id: string) => string }) {
  const { t } = useTranslation("adminRequests");
  const { routing } = receipt.hold;
  if (!routing) return null;
  const fellOut = Object.entries(routing.fell_out);
  const why = (reason: string): string => {
    const [kind = reason, ...what] = reason.split(":");
    return t(`receipt.reasons.${kind}` as "receipt.reasons.limit", { what: what.join(":"), defaultValue: reason });
  };
  return (
    <Section title={t("receipt.routing")} about={t("receipt.routingAbout")}>
      <Facts
        rows={[
          [
            t("receipt.mode"),
            t(`receipt.modes.${routing.mode}` as "receipt.modes.weighted", { defaultValue: routing.mode }),
          ],
          [
            t("receipt.policy"),
            routing.policy_id === null ? (
              t("receipt.noPolicy")
            ) : (
              <Group key="policy" gap="xs">
                <Link
                  to="/admin/routing"
                  search={{ tab: "policies", row: routing.policy_id } as never}
                  className="tg-link"
                >
                  {t("receipt.policy")}
                </Link>
                <Id value={routing.policy_id} />
              </Group>
            ),
          ],
          [t("receipt.arm"), routing.arm],
          [
            t("receipt.candidates"),
            routing.candidates.length === 0 ? (
              t("receipt.single")
            ) : (
              <ol key="candidates" className="tg-order">
                {routing.candidates.map((id) => (
                  <li key={id}>
                    <ChannelLink id={id} nameOf={nameOf} />
                  </li>
                ))}
              </ol>
            ),
          ],
        ]}
      />
      {fellOut.length > 0 && (
        <Rows caption={t("receipt.fellOut")} heads={[[t("receipt.channel")], [t("receipt.fellOut")]]}>
          {fellOut.map(([id, reason]) => (
            <Table.Tr key={id}>
              <Table.Td>
                <ChannelLink id={id} nameOf={nameOf} />
              </Table.Td>
              <Table.Td>{why(reason)}</Table.Td>
            </Table.Tr>
          ))}
        </Rows>
      )}
    </Section>
  );
}

/** Accounts count in billionths of the currency, but for rates, slots and budgets of tokens. */
export const written = (account: string, units: number): string =>
  /^(rpm|tpm|concurrency)\.|^budget\.\w+\.tokens\./.test(account) ? count(units) : nanosText(String(units));

function Limits({ receipt }: Part) {
  const { t } = useTranslation("adminRequests");
  const { limits } = receipt.hold;
  if (limits.length === 0) return null;
  return (
    <Section title={t("receipt.limits")} about={t("receipt.limitsAbout")}>
      <Rows
        caption={t("receipt.limits")}
        heads={[[t("receipt.limit")], [t("receipt.asked"), true], [t("receipt.upTo"), true]]}
      >
        {limits.map((limit) => (
          <Table.Tr key={limit.name}>
            <Table.Td>
              <code className="tg-mono">{limit.name}</code>
            </Table.Td>
            <Table.Td className="tg-num">{written(limit.name, limit.amount)}</Table.Td>
            <Table.Td className="tg-num">{limit.limit === null ? "–" : written(limit.name, limit.limit)}</Table.Td>
          </Table.Tr>
        ))}
      </Rows>
    </Section>
  );
}

type Booked = {
  kind: "hold" | "settle" | "void" | "expire" | "adjust";
  eventId: string;
  at: string;
  entries: Schema["EntryView"][];
};

/** The events of a request with their entries, the first one first. */
export function bookedBy(receipt: ReceiptView): Booked[] {
  const { hold, end } = receipt;
  const ends = { captured: "settle", voided: "void", expired: "expire", held: "settle" } as const;
  const booked: Booked[] = [{ kind: "hold", eventId: hold.event_id, at: hold.at, entries: hold.entries }];
  if (end) booked.push({ kind: ends[receipt.state], eventId: end.event_id, at: end.at, entries: end.entries });
  for (const each of receipt.adjustments)
    booked.push({ kind: "adjust", eventId: each.event_id, at: each.at, entries: each.entries });
  return booked;
}

/** Whether what was held was released, on every account. */
export function isReleased(booked: Booked[]): boolean {
  const held = new Map<string, number>();
  for (const { entries } of booked)
    for (const entry of entries) held.set(entry.account, (held.get(entry.account) ?? 0) + entry.held);
  return [...held.values()].every((units) => units === 0);
}

function Entries({ receipt }: Part) {
  const { t } = useTranslation("adminRequests");
  const booked = bookedBy(receipt);
  return (
    <Section title={t("receipt.entries")} about={t("receipt.entriesAbout")}>
      <Stack gap="sm">
        {booked.map((event) => (
          <div key={event.eventId}>
            <Group gap="sm" mb={4}>
              <Text fw={600} size="sm">
                {t(`receipt.events.${event.kind}`)}
              </Text>
              <Time at={event.at} form="full" />
              <Id value={event.eventId} what={t("receipt.event", { id: event.eventId })} />
            </Group>
            <Rows
              caption={t(`receipt.events.${event.kind}`)}
              heads={[[t("receipt.account")], [t("receipt.held"), true], [t("receipt.posted"), true]]}
            >
              {event.entries.map((entry) => (
                <Table.Tr key={entry.account}>
                  <Table.Td>
                    <code className="tg-mono">{entry.account}</code>
                  </Table.Td>
                  <Table.Td className="tg-num">{written(entry.account, entry.held)}</Table.Td>
                  <Table.Td className="tg-num">{written(entry.account, entry.posted)}</Table.Td>
                </Table.Tr>
              ))}
            </Rows>
          </div>
        ))}
        {receipt.end &&
          (isReleased(booked) ? (
            <Status tone="good" wrap>
              {t("receipt.balanced")}
            </Status>
          ) : (
            <Status tone="bad" wrap>
              {t("receipt.unbalanced")}
            </Status>
          ))}
      </Stack>
    </Section>
  );
}
