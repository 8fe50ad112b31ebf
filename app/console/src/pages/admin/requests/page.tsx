import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { DataTable } from "~/kit/DataTable";
import { Page } from "~/kit/Page";
import { snippets } from "~/kit/snippets";
import { useBar } from "~/lib/range";
import { besideList, useUrl } from "~/lib/url";
import { LogPanel } from "~/parts/LogPanel";
import { LogFilters, useLogColumns, useLogNames } from "~/parts/log";
import { asParameters, filtersOf, logQuery, noFilters } from "~/parts/logSearch";
import { address } from "~/site";
import { adminRequestsRoute } from "./routes";

export default function AdminRequestsPage() {
  const { t } = useTranslation("adminRequests");
  const [search, setSearch] = useUrl(adminRequestsRoute);
  const bar = useBar("24h");
  const names = useLogNames();
  const asked = logQuery(search);
  const listing = useListing("/api/reports/requests", {
    query: { ...asked, from: bar.from, to: bar.live ? undefined : bar.to },
    refetchInterval: bar.live ? 3000 : undefined,
  });
  const columns = useLogColumns(names, bar.range === "1h" || bar.range === "24h");
  return (
    <Page title={t("title")} about={t("about")} bar={{ range: true, live: true }} readAt={listing.readAt}>
      <DataTable
        id="admin-requests"
        caption={t("title")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.id}
        rowLink={besideList}
        openId={search.row}
        filters={<LogFilters search={search} onChange={setSearch} names={names} />}
        filtered={Object.keys(filtersOf(search)).length > 0}
        onClear={() => setSearch(noFilters())}
        exportUrl={address(`api/reports/requests/export?${asParameters({ ...asked, from: bar.from, to: bar.to })}`)}
        empty={{
          title: t("emptyTitle"),
          text: t("emptyText"),
          command: snippets("sk-...", "demo-chat")[0]?.text,
        }}
      />
      <LogPanel
        rowId={search.row}
        row={listing.rows.find((row) => row.id === search.row)}
        onClose={() => setSearch({ row: undefined })}
        keyName={names.keys.nameOf}
      />
    </Page>
  );
}
