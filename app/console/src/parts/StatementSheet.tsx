import { Button, Group, Paper, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { Stat, Stats } from "~/kit/Stat";
import { count, date, dateTime, placesOf } from "~/lib/format";
import { address, site } from "~/site";

type Statement = Schema["StatementView"];

export const statementQuery = (tenantId: number, period: string) => ({
  queryKey: ["get", "/api/tenants/{tenant_id}/statements/{period}", tenantId, period],
  queryFn: () =>
    data(
      api.GET("/api/tenants/{tenant_id}/statements/{period}", {
        params: { path: { tenant_id: tenantId, period } },
      }),
    ),
});

export const statementFile = (tenantId: number, period: string, format: "csv" | "parquet"): string =>
  address(`api/tenants/${tenantId}/statements/${period}/export?format=${format}`);

/** Its files, and its print, which is a PDF if one likes. */
export function StatementActions(props: { tenantId: number; period: string }) {
  const { t } = useTranslation("tenantStatements");
  const file = (format: "csv" | "parquet", label: string) => (
    <Button
      component="a"
      href={statementFile(props.tenantId, props.period, format)}
      download
      variant="default"
      leftSection={<Icon name="download" size={14} />}
    >
      {label}
    </Button>
  );
  return (
    <>
      {file("csv", t("download"))}
      {file("parquet", t("parquet"))}
      <Button leftSection={<Icon name="print" size={14} />} onClick={() => window.print()}>
        {t("print")}
      </Button>
    </>
  );
}

/** A statement as it is printed: letterhead, sum, models, credit, and the balance day by day. */
export function StatementSheet({ statement, tenant }: { statement: Statement; tenant: string | undefined }) {
  const { t } = useTranslation(["tenantStatements", "tenantWallet", "common"]);
  const { currency, zone } = statement;
  const column = (amounts: string[], signed = false) => {
    const places = placesOf(amounts);
    return amounts.map((each, line) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a statement never move.
      <Money key={line} value={each} currency={currency} signed={signed} places={places} />
    ));
  };
  const { models, days } = statement;
  const used = column(models.map((each) => each.charged));
  const came = column(
    statement.credits.map((each) => each.amount),
    true,
  );
  const byDay = {
    credited: column(
      days.map((each) => each.credited),
      true,
    ),
    charged: column(days.map((each) => each.charged)),
    balance: column(days.map((each) => each.balance)),
  };
  return (
    <>
      <div className="tg-letterhead">
        <Text fw={650}>{site.name}</Text>
        <Text>{tenant}</Text>
        <Text size="sm" c="dimmed">
          {`${t("tenantStatements:from")} ${dateTime(statement.starts_at, zone)} ${t("tenantStatements:to")} ${dateTime(statement.ends_at, zone)}`}
        </Text>
        <Text size="sm" c="dimmed">
          {t("tenantStatements:zone", { zone })}
        </Text>
        <Text size="sm" c="dimmed">
          {statement.closed_at
            ? `${t("tenantStatements:closed")}: ${dateTime(statement.closed_at, zone)}`
            : t("tenantStatements:open")}
        </Text>
      </div>
      <Text size="sm" c="dimmed" className="tg-noprint">
        {statement.closed_at
          ? t("tenantStatements:closedOn", { at: dateTime(statement.closed_at, zone), zone })
          : t("tenantStatements:openYet", { at: dateTime(statement.ends_at, zone), zone })}
      </Text>
      <StatementSum statement={statement} />
      <Section title={t("tenantStatements:byModel")}>
        <Lines
          caption={t("tenantStatements:byModel")}
          head={[
            t("common:terms.model"),
            t("common:terms.requests"),
            t("common:terms.inputTokens"),
            t("common:terms.outputTokens"),
            t("tenantStatements:charged"),
          ]}
          rows={models.map((each, line) => [
            each.model,
            count(each.requests),
            count(each.input_tokens),
            count(each.output_tokens),
            used[line],
          ])}
        />
      </Section>
      <Section title={t("tenantStatements:credits")}>
        <Lines
          caption={t("tenantStatements:credits")}
          text={2}
          head={[t("common:terms.time"), t("tenantWallet:what"), t("common:terms.amount")]}
          rows={statement.credits.map((each, line) => [
            dateTime(each.at, zone),
            each.source
              ? t(`tenantWallet:sources.${each.source}` as "tenantWallet:sources.top_up")
              : t(`tenantWallet:kinds.${each.kind}` as "tenantWallet:kinds.granted"),
            came[line],
          ])}
        />
      </Section>
      <Section title={t("tenantStatements:byDay")}>
        <Lines
          caption={t("tenantStatements:byDay")}
          head={[
            t("tenantStatements:day"),
            t("tenantStatements:credited"),
            t("tenantStatements:charged"),
            t("tenantStatements:balance"),
          ]}
          rows={days.map((each, line) => [
            date(`${each.day}T12:00:00Z`, "UTC"),
            byDay.credited[line],
            byDay.charged[line],
            byDay.balance[line],
          ])}
        />
      </Section>
      {statement.sha256 && (
        <Section title={t("tenantStatements:verify")} about={t("tenantStatements:verifyText")}>
          <Group gap={6}>
            <Text size="sm" c="dimmed" title={t("tenantStatements:fingerprintHint")}>
              {t("tenantStatements:fingerprint")}
            </Text>
            <Id value={statement.sha256} keep={58} />
          </Group>
        </Section>
      )}
    </>
  );
}

/** A table on paper; `text` is how many columns are no figures. */
function Lines(props: { caption: string; head: string[]; rows: ReactNode[][]; text?: number }) {
  const text = props.text ?? 1;
  const classOf = (index: number) => (index < text ? undefined : "tg-num");
  return (
    <Paper className="tg-table-card tg-scroll-x" p={0}>
      <Table className="tg-table" data-density="compact">
        <Table.Caption className="tg-hidden">{props.caption}</Table.Caption>
        <Table.Thead>
          <Table.Tr>
            {props.head.map((each, index) => (
              <Table.Th key={each} className={classOf(index)}>
                {each}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {props.rows.map((row, line) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a statement never move.
            <Table.Tr key={line}>
              {row.map((each, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: nor do its columns.
                <Table.Td key={index} className={classOf(index)}>
                  {each}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}

/** Opening + credit - use = closing. */
export function StatementSum({ statement }: { statement: Schema["StatementView"] }) {
  const { t } = useTranslation("tenantStatements");
  const { currency } = statement;
  return (
    <>
      <Stats>
        <Stat label={t("opening")} value={<Money value={statement.opening} currency={currency} />} />
        <Stat label={t("credited")} value={<Money value={statement.credited} currency={currency} signed />} />
        <Stat label={t("charged")} value={<Money value={statement.charged} currency={currency} />} />
        <Stat label={t("closing")} value={<Money value={statement.closing} currency={currency} />} />
      </Stats>
      <Text size="xs" c="dimmed" mt={6}>
        {t("sumHint")}
      </Text>
    </>
  );
}
