import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Loaded } from "~/kit/Loaded";
import { SidePanel } from "~/kit/SidePanel";
import type { LogRow } from "./log";
import { OperatorReceipt } from "./OperatorReceipt";
import { Refusal } from "./Refusal";

/** Of whom a row is, by its id: when it was written, the tenant, its lane, its place in it. */
const tenantOf = (rowId: string): number => Number(rowId.split("-")[1]);
const isRowId = (id: string): boolean => /^\d+-\d+-\d+-\d+$/.test(id);

/** A row of the log beside it: the receipt of its request, or why there is none. */
export function LogPanel(props: {
  rowId: string | undefined;
  /** The row, if the page still has it. */
  row: LogRow | undefined;
  onClose: () => void;
  keyName: (id: string) => string;
}) {
  const { t } = useTranslation("account");
  const { rowId, row } = props;
  const requestId = row?.request_id ?? (rowId && !isRowId(rowId) ? rowId : undefined);
  const isRefusal = row?.state === "refused";
  return (
    <SidePanel
      opened={rowId !== undefined}
      onClose={props.onClose}
      title={isRefusal ? t("states.refused") : t("receipt.title")}
      page={requestId && !isRefusal ? { to: "/admin/requests/$requestId", params: { requestId } as never } : undefined}
      wide
    >
      {requestId && !isRefusal ? (
        <OperatorReceipt requestId={requestId} />
      ) : (
        rowId &&
        isRowId(rowId) &&
        (row ? (
          <Refusal tenantId={tenantOf(rowId)} id={rowId} keyName={props.keyName} />
        ) : (
          <Gone {...props} id={rowId} />
        ))
      )}
    </SidePanel>
  );
}

/** A row that the page has not loaded: somebody came by a link. It tells what it is by the moment that its id has. */
function Gone(props: { id: string; keyName: (id: string) => string }) {
  const microseconds = props.id.split("-")[0] ?? "0";
  const moment = Number(microseconds.slice(0, -3));
  const query = useQuery({
    queryKey: ["get", "/api/reports/requests", "row", props.id],
    queryFn: async () => {
      const around = { from: new Date(moment - 60_000).toISOString(), to: new Date(moment + 1000).toISOString() };
      const found = await data(
        api.GET("/api/reports/requests", {
          params: { query: { tenant_id: tenantOf(props.id), limit: 500, ...around } },
        }),
      );
      return found.items.find((each) => each.id === props.id) ?? null;
    },
  });
  return (
    <Loaded query={query}>
      {(row) =>
        row?.request_id && row.state !== "refused" ? (
          <OperatorReceipt requestId={row.request_id} />
        ) : (
          <Refusal tenantId={tenantOf(props.id)} id={props.id} keyName={props.keyName} />
        )
      }
    </Loaded>
  );
}
