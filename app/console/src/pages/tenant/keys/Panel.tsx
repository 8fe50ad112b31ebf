import { Alert, Button, Group, Modal, Select, Stack, Table, Tabs, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, data, ifMatch, type Schema } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { Chart } from "~/kit/Chart";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { Empty } from "~/kit/Empty";
import { Failure } from "~/kit/Failure";
import { FormDrawer } from "~/kit/Form";
import { History } from "~/kit/History";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { SidePanel } from "~/kit/SidePanel";
import { Time } from "~/kit/Time";
import { count, listed, money } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useMayHere, useMembers, useModelNames, useTenantId } from "~/parts/account";
import { LimitLines } from "~/parts/Budgets";
import { KeySecret } from "~/parts/KeySecret";
import { LimitTable } from "~/parts/LimitTable";
import { groupedPoints, seriesOf, totals, useUsage } from "~/parts/usage";
import { useMe } from "~/session/session";
import { site } from "~/site";
import { KeyState } from "./KeyState";
import { tenantKeysRoute } from "./routes";
import { BasicFields, LimitFields, ReachFields } from "./TermsFields";
import { bodyOf, stateOf, type Terms, termsOf, termsProblem } from "./terms";

type Key = Schema["TokenView"];

export const readKey = (id: string): Promise<Key> =>
  data(api.GET("/api/tokens/{token_id}", { params: { path: { token_id: id } } }));

/** One key: its terms, what it has used, who changed it; to be changed, rotated and revoked. */
export function KeyPanel(props: { id: string | undefined; onClose: () => void }) {
  const { t } = useTranslation("common");
  const query = useQuery({
    queryKey: ["get", "/api/tokens", "one", props.id],
    queryFn: () => readKey(props.id as string),
    enabled: props.id !== undefined,
  });
  return (
    <SidePanel opened={props.id !== undefined} onClose={props.onClose} title={query.data?.name ?? t("terms.key")} wide>
      <Loaded query={query}>{(key) => <KeyDetails key={key.id} token={key} />}</Loaded>
    </SidePanel>
  );
}

function KeyDetails(props: { token: Key }) {
  const { t } = useTranslation(["tenantKeys", "common", "kit"]);
  const [search, setSearch] = useUrl(tenantKeysRoute);
  const [doing, setDoing] = useState<"edit" | "rotate" | "revoke" | null>(null);
  const me = useMe();
  const may = useMayHere();
  const { token } = props;
  const isActive = stateOf(token) === "active";
  const isPlayground = token.tags.includes("playground");
  const mayWrite = may("token:write") || (may("own_token:write") && token.user_id === me.user.id);
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
        value={search.tab ?? "terms"}
        onChange={(tab) => setSearch({ tab: tab === "terms" ? undefined : (tab as "use") })}
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="terms">{t("tenantKeys:tabs.terms")}</Tabs.Tab>
          <Tabs.Tab value="use">{t("tenantKeys:tabs.use")}</Tabs.Tab>
          <Tabs.Tab value="history">{t("kit:history.title")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="terms" pt="md">
          <TermsTable token={token} />
        </Tabs.Panel>
        <Tabs.Panel value="use" pt="md">
          <KeyUse token={token} />
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History path="/api/tokens/{token_id}/history" params={{ token_id: token.id }} />
        </Tabs.Panel>
      </Tabs>
      <EditKey token={token} opened={doing === "edit"} onClose={() => setDoing(null)} />
      <RotateKey token={token} opened={doing === "rotate"} onClose={() => setDoing(null)} />
      <RevokeKey token={token} opened={doing === "revoke"} onClose={() => setDoing(null)} />
    </Stack>
  );
}

function TermsTable({ token }: { token: Key }) {
  const { t } = useTranslation(["tenantKeys", "account", "common"]);
  const { nameOf } = useMembers(useTenantId());
  const rows: [string, ReactNode][] = [
    [t("common:terms.status"), <KeyState key="state" token={token} />],
    [t("tenantKeys:columns.hint"), <code key="hint">{token.hint}</code>],
    [t("tenantKeys:columns.owner"), nameOf(token.user_id)],
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
      <Table className="tg-facts" withRowBorders={false}>
        <Table.Tbody>
          {rows.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row">{name}</Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
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

type Doing = { token: Key; opened: boolean; onClose: () => void };

function useReread() {
  const client = useQueryClient();
  return () => {
    void client.invalidateQueries({ queryKey: ["get", "/api/tokens"] });
    void client.invalidateQueries({ queryKey: ["get", "/api/tokens/{token_id}/history"] });
    void client.invalidateQueries({ queryKey: ["get", "/api/limits"] });
  };
}

function EditKey(props: Doing) {
  const { t } = useTranslation(["tenantKeys", "account"]);
  const reread = useReread();
  const { token } = props;
  return (
    <FormDrawer<{ terms: Terms }>
      opened={props.opened}
      onClose={props.onClose}
      title={t("tenantKeys:change", { name: token.name })}
      initial={{ terms: termsOf(token) }}
      entity={token}
      reload={() => readKey(token.id)}
      valuesOf={((key: Key) => ({ terms: termsOf(key) })) as never}
      reason
      validate={{
        terms: (terms) => {
          const wrong = termsProblem(terms);
          return wrong && t(`tenantKeys:problems.${wrong}`);
        },
      }}
      onSubmit={async ({ terms }, call) => {
        await api.PATCH("/api/tokens/{token_id}", {
          params: { path: { token_id: token.id }, header: { "If-Match": call.ifMatch } },
          body: { ...bodyOf(terms), reason: call.reason },
        });
        reread();
      }}
    >
      {(form) => {
        const terms = form.getValues().terms;
        const fields = {
          terms,
          onChange: (patch: Partial<Terms>) => form.setFieldValue("terms", { ...terms, ...patch }),
          problem: form.errors.terms ? termsProblem(terms) : null,
          isNew: false,
        };
        return (
          <>
            <BasicFields {...fields} />
            <ReachFields {...fields} />
            <LimitFields {...fields} />
          </>
        );
      }}
    </FormDrawer>
  );
}

const OVERLAPS = ["0", "3600", "86400", "604800"] as const;

/** A new secret beside the former, which works on for a while so that nothing has to stop. */
function RotateKey(props: Doing) {
  const { t } = useTranslation(["tenantKeys", "common"]);
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={t("tenantKeys:rotateTitle", { name: props.token.name })}
      size="lg"
      closeOnClickOutside={false}
    >
      {props.opened && <Rotation {...props} />}
    </Modal>
  );
}

function Rotation(props: Doing) {
  const { t } = useTranslation(["tenantKeys", "common"]);
  const reread = useReread();
  const models = useModelNames();
  const [overlap, setOverlap] = useState<string>("86400");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [made, setMade] = useState<Schema["CreatedToken"] | null>(null);
  const rotate = async () => {
    setBusy(true);
    setProblem(null);
    try {
      setMade(
        await data(
          api.POST("/api/tokens/{token_id}/rotate", {
            params: { path: { token_id: props.token.id }, header: { "If-Match": ifMatch(props.token) } },
            body: { overlap_seconds: Number(overlap) },
          }),
        ),
      );
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };
  if (made)
    return (
      <Stack>
        <KeySecret secret={made.secret} model={((made.models as string[] | null) ?? models)[0] ?? "demo-chat"} />
        {made.previous_until && (
          <Text size="sm">
            {t("tenantKeys:overlapping")} <Time at={made.previous_until} form="full" />
          </Text>
        )}
        <Group justify="flex-end">
          <Button
            onClick={() => {
              // Only now: reading the key again would take this dialog, with the secret, away.
              reread();
              props.onClose();
            }}
          >
            {t("tenantKeys:stored")}
          </Button>
        </Group>
      </Stack>
    );
  return (
    <Stack>
      <Text size="sm">{t("tenantKeys:rotateText")}</Text>
      <Select
        label={t("tenantKeys:overlap")}
        data={OVERLAPS.map((each) => ({ value: each, label: t(`tenantKeys:overlaps.${each}`) }))}
        value={overlap}
        onChange={(next) => setOverlap(next ?? "0")}
      />
      {problem && <Failure problem={problem} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={props.onClose}>
          {t("common:cancel")}
        </Button>
        <Button onClick={rotate} loading={busy}>
          {t("tenantKeys:rotate")}
        </Button>
      </Group>
    </Stack>
  );
}

function RevokeKey(props: Doing) {
  const { t } = useTranslation(["tenantKeys", "common"]);
  const reread = useReread();
  const { token } = props;
  const usage = useUsage(
    { tenant_id: token.tenant_id, token_id: token.id, bucket: "month" },
    { enabled: props.opened },
  ).data;
  const sums = totals(usage);
  return (
    <ConfirmDanger
      opened={props.opened}
      onClose={props.onClose}
      title={t("tenantKeys:revokeTitle", { name: token.name })}
      word={token.name}
      submit={t("tenantKeys:revoke")}
      entity={token}
      reload={() => readKey(token.id)}
      done={t("tenantKeys:revoked")}
      effect={
        <>
          <Text size="sm">{t("tenantKeys:revokeText")}</Text>
          {usage && (
            <Text size="sm">
              {t("tenantKeys:revokeUse", { requests: count(sums.requests) })} <Money value={sums.charged} />
            </Text>
          )}
        </>
      }
      onConfirm={async (call) => {
        await api.PATCH("/api/tokens/{token_id}", {
          params: { path: { token_id: token.id }, header: { "If-Match": call.ifMatch } },
          body: { revoked: true, reason: call.reason },
        });
        reread();
      }}
    />
  );
}
