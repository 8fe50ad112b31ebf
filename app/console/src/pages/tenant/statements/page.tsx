import { Anchor, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, type LinkProps } from "@tanstack/react-router";
import { api, data, type Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Empty } from "~/kit/Empty";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Page, Section } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { useTenantId } from "~/parts/account";
import { StatementSum, statementFile, statementQuery } from "~/parts/StatementSheet";

type Line = Schema["StatementSummary"];

export default function TenantStatementsPage() {
  const { t } = useTranslation(["tenantStatements", "common"]);
  const tenantId = useTenantId();
  const params = { tenantId: String(tenantId) };
  const current = useQuery({ ...statementQuery(tenantId, "current"), retry: false });
  const closing = useQuery({
    // Asking for them closes what is over.
    queryKey: ["get", "/api/tenants/{tenant_id}/statements", tenantId],
    queryFn: () => data(api.GET("/api/tenants/{tenant_id}/statements", { params: { path: { tenant_id: tenantId } } })),
  });
  const listing = useListing("/api/reports/statements", {
    query: { tenant_id: tenantId },
    enabled: !closing.isPending,
  });
  const columns: Column<Line>[] = [
    {
      key: "period",
      header: t("tenantStatements:period"),
      cell: (row) => row.period,
      csv: (row) => row.period,
      fixed: true,
    },
    {
      key: "opening",
      header: t("tenantStatements:opening"),
      cell: (row) => <Money value={row.opening} currency={row.currency} />,
      csv: (row) => row.opening,
      numeric: true,
    },
    {
      key: "credited",
      header: t("tenantStatements:credited"),
      cell: (row) => <Money value={row.credited} currency={row.currency} signed />,
      csv: (row) => row.credited,
      numeric: true,
    },
    {
      key: "charged",
      header: t("tenantStatements:charged"),
      cell: (row) => <Money value={row.charged} currency={row.currency} />,
      csv: (row) => row.charged,
      numeric: true,
    },
    {
      key: "closing",
      header: t("tenantStatements:closing"),
      cell: (row) => <Money value={row.closing} currency={row.currency} />,
      csv: (row) => row.closing,
      numeric: true,
    },
    {
      key: "closed",
      header: t("tenantStatements:closed"),
      cell: (row) => <Time at={row.closed_at} form="date" />,
      csv: (row) => row.closed_at,
    },
    {
      key: "sha",
      header: t("tenantStatements:fingerprint"),
      cell: (row) => <Id value={row.sha256} />,
      csv: (row) => row.sha256,
      hidden: true,
    },
  ];
  const isNew = current.error !== null && asProblem(current.error).status === 404;
  return (
    <Page title={t("tenantStatements:title")} about={t("tenantStatements:about")}>
      <Section
        title={t("tenantStatements:current")}
        actions={
          current.data && (
            <Link to="/t/$tenantId/statements/$period" params={{ ...params, period: "current" }} className="tg-link">
              {t("common:open")}
            </Link>
          )
        }
      >
        {isNew ? (
          <Empty title={t("tenantStatements:noneTitle")} text={t("tenantStatements:noneText")} />
        ) : (
          <Loaded query={current} rows={2}>
            {(statement) => <StatementSum statement={statement} />}
          </Loaded>
        )}
      </Section>
      <DataTable
        id="statements"
        caption={t("tenantStatements:title")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.period}
        rowLink={(row) =>
          ({ to: "/t/$tenantId/statements/$period", params: { ...params, period: row.period } }) as LinkProps
        }
        rowActions={(row) => (
          <Group gap="xs" wrap="nowrap">
            <Anchor size="sm" href={statementFile(tenantId, row.period, "csv")} download>
              {t("tenantStatements:download")}
            </Anchor>
            <Anchor size="sm" href={statementFile(tenantId, row.period, "parquet")} download>
              {t("tenantStatements:parquet")}
            </Anchor>
          </Group>
        )}
        empty={{ title: t("tenantStatements:emptyTitle"), text: t("tenantStatements:emptyText") }}
      />
    </Page>
  );
}
