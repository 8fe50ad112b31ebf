import { api, data } from "~/api/client";
import { address } from "~/site";

export const statementQuery = (tenantId: number, period: string) => ({
  queryKey: ["get", "/api/tenants/{tenant_id}/statements/{period}", tenantId, period],
  queryFn: () =>
    data(
      api.GET("/api/tenants/{tenant_id}/statements/{period}", {
        params: { path: { tenant_id: tenantId, period } },
      }),
    ),
});

export const exportUrl = (tenantId: number, period: string, format: "csv" | "parquet"): string =>
  address(`api/tenants/${tenantId}/statements/${period}/export?format=${format}`);
