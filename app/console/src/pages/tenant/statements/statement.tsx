import { Button, Group, Paper, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type LinkProps, useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Schema } from "~/api/client";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { count, date, dateTime } from "~/lib/format";
import { useTenantId } from "~/parts/account";
import { useTenant } from "~/shell/tenants";
import { site } from "~/site";
import { Sum } from "./page";
import { exportUrl, statementQuery } from "./statementQuery";

type Statement = Schema["StatementView"];

export default function TenantStatementPage() {
  const { t } = useTranslation(["tenantStatements", "common"]);
  const tenantId = useTenantId();
  const { period } = useParams({ from: "/t/$tenantId/statements/$period" });
  const query = useQuery(statementQuery(tenantId, period));
  const name = query.data?.period ?? period;
  const file = (format: "csv" | "parquet", label: string) => (
    <Button
      component="a"
      href={exportUrl(tenantId, period, format)}
      download
      variant="default"
      leftSection={<Icon name="download" size={14} />}
    >
      {label}
    </Button>
  );
  return (
    <Page
      title={`${t("common:terms.statement")} ${name}`}
      crumbs={[
        {
          label: t("tenantStatements:title"),
          to: { to: "/t/$tenantId/statements", params: { tenantId: String(tenantId) } } as LinkProps,
        },
      ]}
      actions={
        <>
          {file("csv", t("tenantStatements:download"))}
          {file("parquet", t("tenantStatements:parquet"))}
          <Button leftSection={<Icon name="print" size={14} />} onClick={() => window.print()}>
            {t("tenantStatements:print")}
          </Button>
        </>
      }
    >
      <Loaded query={query}>{(statement) => <Sheet statement={statement} />}</Loaded>
    </Page>
  );
}

function Sheet({ statement }: { statement: Statement }) {
  const { t } = useTranslation(["tenantStatements", "tenantWallet", "common"]);
  const tenant = useTenant(statement.tenant_id);
  const { currency, zone } = statement;
  const cell = (amount: string, signed = false) => <Money value={amount} currency={currency} signed={signed} />;
  return (
    <>
      <div className="tg-letterhead">
        <Text fw={650}>{site.name}</Text>
        <Text>{tenant.data?.name}</Text>
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
      <Sum statement={statement} />
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
          rows={statement.models.map((each) => [
            each.model,
            count(each.requests),
            count(each.input_tokens),
            count(each.output_tokens),
            cell(each.charged),
          ])}
        />
      </Section>
      <Section title={t("tenantStatements:credits")}>
        <Lines
          caption={t("tenantStatements:credits")}
          text={2}
          head={[t("common:terms.time"), t("tenantWallet:what"), t("common:terms.amount")]}
          rows={statement.credits.map((each) => [
            dateTime(each.at, zone),
            each.source
              ? t(`tenantWallet:sources.${each.source}` as "tenantWallet:sources.top_up")
              : t(`tenantWallet:kinds.${each.kind}` as "tenantWallet:kinds.granted"),
            cell(each.amount, true),
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
          rows={statement.days.map((each) => [
            date(`${each.day}T12:00:00Z`, "UTC"),
            cell(each.credited, true),
            cell(each.charged),
            cell(each.balance),
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
