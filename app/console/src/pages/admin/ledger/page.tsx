import { Button, Tabs } from "@mantine/core";
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { Icon } from "~/kit/Icon";
import { Loaded } from "~/kit/Loaded";
import { Page } from "~/kit/Page";
import { useUrl } from "~/lib/url";
import { useMay } from "~/session/session";
import { Checks } from "./Checks";
import { Figures } from "./Figures";
import { Holds } from "./Holds";
import { useReread } from "./ledger";
import { Models } from "./Models";
import { Running, RunPanel, Runs } from "./Runs";
import { adminLedgerRoute } from "./routes";

const QUIET_MILLISECONDS = 10_000;
const RUNNING_MILLISECONDS = 1000;

export default function AdminLedgerPage() {
  const { t } = useTranslation("adminLedger");
  const [search, setSearch] = useUrl(adminLedgerRoute);
  const may = useMay();
  const reread = useReread();
  const query = useQuery({
    queryKey: ["get", "/api/ledger/health"],
    queryFn: () => data(api.GET("/api/ledger/health")),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.running.length ? RUNNING_MILLISECONDS : QUIET_MILLISECONDS),
  });
  const verify = useMutation({
    mutationFn: () => data(api.POST("/api/ledger/verifications")),
    onSettled: reread,
  });
  const isVerifying = query.data?.running.some((run) => run.kind === "verification") ?? false;
  return (
    <Page
      title={t("title")}
      about={t("about")}
      bar={{}}
      readAt={query.dataUpdatedAt}
      actions={
        may("system:write") && (
          <Button
            leftSection={<Icon name="shield" />}
            onClick={() => verify.mutate()}
            loading={verify.isPending}
            disabled={isVerifying}
          >
            {t("verify")}
          </Button>
        )
      }
    >
      {verify.error && <Failure problem={verify.error} />}
      <Loaded query={query} rows={8}>
        {(health) => (
          <>
            {query.error && <Failure problem={query.error} onRetry={() => void query.refetch()} compact />}
            <Figures health={health} />
            <Running runs={health.running} />
            <Tabs
              value={search.tab ?? "checks"}
              onChange={(tab) => setSearch({ tab: tab === "checks" ? undefined : (tab as "runs"), row: undefined })}
              keepMounted={false}
            >
              <Tabs.List>
                <Tabs.Tab value="checks">{t("tabs.checks")}</Tabs.Tab>
                <Tabs.Tab value="models">{t("tabs.models")}</Tabs.Tab>
                <Tabs.Tab value="holds">{t("tabs.holds")}</Tabs.Tab>
                <Tabs.Tab value="runs">{t("tabs.runs")}</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="checks" pt="md">
                <Checks health={health} />
              </Tabs.Panel>
              <Tabs.Panel value="models" pt="md">
                <Models health={health} />
              </Tabs.Panel>
              <Tabs.Panel value="holds" pt="md">
                <Holds health={health} />
              </Tabs.Panel>
              <Tabs.Panel value="runs" pt="md">
                <Runs isRunning={health.running.length > 0} />
              </Tabs.Panel>
            </Tabs>
          </>
        )}
      </Loaded>
      <RunPanel id={search.row} onClose={() => setSearch({ row: undefined })} />
    </Page>
  );
}
