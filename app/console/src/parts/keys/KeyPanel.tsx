import { Alert, Button, Group, Stack, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { Empty } from "~/kit/Empty";
import { History } from "~/kit/History";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { SidePanel } from "~/kit/SidePanel";
import { Time } from "~/kit/Time";
import { count, listed, money } from "~/lib/format";
import { LimitLines } from "~/parts/Budgets";
import { Facts } from "~/parts/Facts";
import { LimitTable } from "~/parts/LimitTable";
import { groupedPoints, seriesOf, totals, useUsage } from "~/parts/usage";
import { useMay, useMe } from "~/session/session";
import { site } from "~/site";
import { EditKey, type Key, RevokeKeys, RotateKey, readKey } from "./changes";
import { KeyState } from "./KeyState";
import { stateOf } from "./terms";

export type KeyTab = "terms" | "use" | "history";

type Shown = {
  tab: KeyTab | undefined;
  onTab: (tab: KeyTab | undefined) => void;
  /** Whose the key is. */
  ownerOf: (token: Key) => ReactNode;
  /** Which tenant's: for a page over all of them. */
  tenantOf?: (token: Key) => ReactNode;
};

/** One key: its terms, what it has used, who changed it; to be changed, rotated and revoked. */
export function KeyPanel(props: { id: string | undefined; onClose: () => void } & Shown) {
  const { t } = useTranslation("common");
  const query = useQuery({
    queryKey: ["get", "/api/tokens", "one", props.id],
    queryFn: () => readKey(props.id as string),
    enabled: props.id !== undefined,
  });
  return (
    <SidePanel opened={props.id !== undefined} onClose={props.onClose} title={query.data?.name ?? t("terms.key")} wide>
      <Loaded query={query}>{(key) => <KeyDetails key={key.id} token={key} {...props} />}</Loaded>
    </SidePanel>
  );
}

function KeyDetails(props: { token: Key } & Shown) {
  const { t } = useTranslation(["tenantKeys", "common", "kit"]);
  const [doing, setDoing] = useState<"edit" | "rotate" | "revoke" | null>(null);
  const me = useMe();
  const may = useMay();
  const { token } = props;
  const isActive = stateOf(token) === "active";
  const isPlayground = token.tags.includes("playground");
  const mayWrite =
    may("token:write", token.tenant_id) || (may("own_token:write", token.tenant_id) && token.user_id === me.user.id);
  const close = () => setDoing(null);
  return (
    <Stack>
      {mayWrite && !token.revoked && !token.archived && (
        <Group gap="xs">
          {!isPlayground && (
            <>
              <Button
                variant="default"
                size="xs"
                leftSection={<Icon name="edit" size={14} />}
                onClick={() => setDoing("edit")}
              >
                {t("common:change")}
              </Button>
              <Button
                variant="default"
                size="xs"
                leftSection={<Icon name="refresh" size={14} />}
                onClick={() => setDoing("rotate")}
                disabled={!isActive}
              >
                {t("tenantKeys:rotate")}
              </Button>
            </>
          )}
          <Button
            color="red"
            variant="light"
            size="xs"
            leftSection={<Icon name="x" size={14} />}
            onClick={() => setDoing("revoke")}
          >
            {t("tenantKeys:revoke")}
          </Button>
        </Group>
      )}
      <Tabs
        value={props.tab ?? "terms"}
        onChange={(tab) => props.onTab(tab === "terms" ? undefined : (tab as KeyTab))}
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="terms">{t("tenantKeys:tabs.terms")}</Tabs.Tab>
          <Tabs.Tab value="use">{t("tenantKeys:tabs.use")}</Tabs.Tab>
          <Tabs.Tab value="history">{t("kit:history.title")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="terms" pt="md">
          <TermsTable {...props} />
        </Tabs.Panel>
        <Tabs.Panel value="use" pt="md">
          <KeyUse token={token} />
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History path="/api/tokens/{token_id}/history" params={{ token_id: token.id }} />
        </Tabs.Panel>
      </Tabs>
      <EditKey token={token} opened={doing === "edit"} onClose={close} />
      <RotateKey token={token} opened={doing === "rotate"} onClose={close} />
      <RevokeKeys keys={doing === "revoke" ? [token] : []} onClose={close} />
    </Stack>
  );
}

function TermsTable(props: { token: Key } & Shown) {
  const { t } = useTranslation(["tenantKeys", "account", "common"]);
  const { token } = props;
  const rows: [string, ReactNode][] = [
    [t("common:terms.status"), <KeyState key="state" token={token} />],
    [t("tenantKeys:columns.hint"), <code key="hint">{token.hint}</code>],
    ...(props.tenantOf ? [[t("common:terms.tenant"), props.tenantOf(token)] as [string, ReactNode]] : []),
    [t("tenantKeys:columns.owner"), props.ownerOf(token)],
    [t("tenantKeys:fields.expires"), <Time key="expires" at={token.expires_at} form="full" />],
    [
      t("tenantKeys:fields.models"),
      token.models === null ? t("tenantKeys:fields.allModels") : listed(token.models as string[]),
    ],
    [t("tenantKeys:columns.limits"), <LimitLines key="limits" budgets={token.budgets} limits={token.limits} />],
    [t("tenantKeys:fields.networks"), token.networks.length ? listed([...token.networks]) : t("tenantKeys:anywhere")],
    [t("tenantKeys:fields.tags"), token.tags.length ? listed([...token.tags]) : t("common:none")],
    [
      t("tenantKeys:fields.cache"),
      token.cache_seconds ? t("tenantKeys:cacheFor", { count: token.cache_seconds }) : t("tenantKeys:cacheOff"),
    ],
    [t("common:terms.created"), <Time key="created" at={token.created_at} form="full" />],
    [t("tenantKeys:columns.id"), <Id key="id" value={token.id} />],
  ];
  return (
    <Stack>
      {token.previous_until && Date.parse(token.previous_until) > Date.now() && (
        <Alert color="blue" icon={<Icon name="clock" />}>
          {t("tenantKeys:overlapping")} <Time at={token.previous_until} form="full" />
        </Alert>
      )}
      <Facts rows={rows} />
    </Stack>
  );
}

/** The last thirty days, by model, and how full its limits are. */
function KeyUse({ token }: { token: Key }) {
  const { t } = useTranslation(["tenantKeys", "common"]);
  const query = useUsage({
    tenant_id: token.tenant_id,
    token_id: token.id,
    bucket: "day",
    by: "model_billed",
    top: 6,
    order: "charged",
  });
  return (
    <Loaded query={query}>
      {(usage) => {
        const { points, keys } = groupedPoints(usage, "model_billed", (sums) => sums.charged, "0");
        const sums = totals(usage);
        return (
          <Stack>
            <Text size="sm">
              {t("tenantKeys:usedText", { requests: count(sums.requests), amount: money(sums.charged) })}
            </Text>
            {keys.length > 0 ? (
              <Chart
                title={t("tenantKeys:spend")}
                unit={site.currency}
                kind="bars"
                stacked
                points={points}
                series={seriesOf(keys, (key) => (key === "(rest)" ? t("common:terms.rest") : key))}
                format={(figure) => money(String(figure))}
                height={200}
                totals
              />
            ) : (
              <Empty text={t("tenantKeys:unused")} />
            )}
            <LimitTable tenantId={token.tenant_id} ownerId={token.id} />
          </Stack>
        );
      }}
    </Loaded>
  );
}
