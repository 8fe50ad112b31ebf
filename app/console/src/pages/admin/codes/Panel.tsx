import { Button, Group, Stack, Tabs, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { ActButton } from "~/kit/Act";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { type Column, DataTable } from "~/kit/DataTable";
import { FormModal } from "~/kit/Form";
import { History } from "~/kit/History";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { SidePanel } from "~/kit/SidePanel";
import { Status } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { Who } from "~/kit/Who";
import { count, money } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { Facts } from "~/parts/Facts";
import { useTenantDirectory } from "~/parts/tenants";
import { useMay } from "~/session/session";
import { address } from "~/site";
import { type Batch, batchesChanged, leftOf, stateOf, TONES, useRedeemed, usesOf, worthOf } from "./batch";
import { adminCodesRoute } from "./routes";

type Redemption = Schema["RedemptionView"];

const read = (batchId: string): Promise<Batch> =>
  data(api.GET("/api/code-batches/{batch_id}", { params: { path: { batch_id: batchId } } }));

/** One batch: its terms, who redeemed it, who changed it. */
export function BatchPanel(props: { id: string | undefined; onClose: () => void }) {
  const { t } = useTranslation("adminCodes");
  const found = useQuery({
    queryKey: ["get", "/api/code-batches/{batch_id}", props.id ?? ""],
    queryFn: () => data(api.GET("/api/code-batches/{batch_id}", { params: { path: { batch_id: props.id ?? "" } } })),
    enabled: props.id !== undefined,
  });
  return (
    <SidePanel
      opened={props.id !== undefined}
      onClose={props.onClose}
      title={found.data?.name ?? t("panel.title")}
      wide
    >
      <Loaded query={found}>{(batch) => <Details key={batch.id} batch={batch} />}</Loaded>
    </SidePanel>
  );
}

function Details({ batch }: { batch: Batch }) {
  const { t } = useTranslation(["adminCodes", "common", "kit"]);
  const [search, setSearch] = useUrl(adminCodesRoute);
  const may = useMay();
  const [doing, setDoing] = useState<"rename" | "revoke" | "archive" | null>(null);
  const close = () => setDoing(null);
  const redemptions = useListing("/api/code-batches/{batch_id}/redemptions", {
    path: { batch_id: batch.id },
    query: { limit: 100 },
    // Somebody may redeem one just now, and the read model comes to it a moment later.
    refetchInterval: 2000,
  });
  const redeemed = useRedeemed([batch.id], { refetchInterval: 2000 })(batch.id);
  const given = redeemed?.amount ?? "0";
  const { uses: left, worth } = leftOf(batch, redeemed);
  const state = stateOf(batch);
  const path = { batch_id: batch.id };
  const restore = async () => {
    await api.POST("/api/code-batches/{entity_id}/restore", {
      params: { path: { entity_id: batch.id }, header: { "If-Match": `"${batch.version}"` } },
      body: {},
    });
    batchesChanged();
  };
  return (
    <Stack>
      <Group justify="space-between">
        <Status tone={TONES[state]}>{t(`adminCodes:states.${state}`)}</Status>
        {may("code:write") && (
          <Group gap="xs">
            {batch.archived ? (
              <ActButton size="xs" variant="default" onAct={restore}>
                {t("common:restore")}
              </ActButton>
            ) : (
              <>
                <Button
                  size="xs"
                  variant="default"
                  leftSection={<Icon name="edit" size={14} />}
                  onClick={() => setDoing("rename")}
                >
                  {t("adminCodes:rename.submit")}
                </Button>
                {!batch.revoked && (
                  <Button size="xs" color="red" variant="light" onClick={() => setDoing("revoke")}>
                    {t("adminCodes:revoke.submit")}
                  </Button>
                )}
                <Button size="xs" color="red" variant="light" onClick={() => setDoing("archive")}>
                  {t("adminCodes:archive.submit")}
                </Button>
              </>
            )}
          </Group>
        )}
      </Group>
      <Facts
        rows={[
          [t("adminCodes:columns.amount"), <Money key="amount" value={batch.amount} />],
          [t("adminCodes:columns.count"), count(batch.count)],
          [t("adminCodes:columns.usesPerCode"), count(batch.uses_per_code)],
          [t("adminCodes:columns.usesPerTenant"), count(batch.uses_per_tenant)],
          [t("adminCodes:columns.worth"), <Money key="worth" value={worthOf(batch)} />],
          [
            t("adminCodes:columns.redeemed"),
            redeemed
              ? t("adminCodes:panel.redeemed", {
                  uses: count(redeemed.uses),
                  all: count(usesOf(batch)),
                  amount: money(given),
                })
              : null,
          ],
          [t("adminCodes:columns.kind"), t(`adminCodes:kinds.${batch.kind}`)],
          [t("adminCodes:columns.priority"), count(batch.priority)],
          [t("adminCodes:columns.expires"), <Time key="expires" at={batch.expires_at} form="full" />],
          [
            t("adminCodes:columns.grantDays"),
            batch.grant_days === null ? t("common:never") : t("adminCodes:days", { count: batch.grant_days }),
          ],
          [t("common:terms.created"), <Time key="created" at={batch.created_at} form="full" />],
          [t("adminCodes:columns.id"), <Id key="id" value={batch.id} />],
        ]}
      />
      <Tabs
        value={search.tab ?? "redemptions"}
        onChange={(tab) => setSearch({ tab: tab === "redemptions" ? undefined : (tab as "history") })}
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="redemptions">{t("adminCodes:panel.redemptions")}</Tabs.Tab>
          <Tabs.Tab value="history">{t("kit:history.title")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="redemptions" pt="md">
          <Redemptions batch={batch} listing={redemptions} />
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History path="/api/code-batches/{batch_id}/history" params={path} />
        </Tabs.Panel>
      </Tabs>
      <FormModal
        opened={doing === "rename"}
        onClose={close}
        title={t("adminCodes:rename.title", { name: batch.name })}
        initial={{ name: batch.name }}
        validate={{ name: (name) => (name.trim() ? null : t("adminCodes:new.nameMissing")) }}
        entity={batch}
        reload={() => read(batch.id)}
        valuesOf={(theirs: Batch) => ({ name: theirs.name })}
        reason
        onSubmit={async ({ name }, call) => {
          await api.PATCH("/api/code-batches/{batch_id}", {
            params: { path, header: { "If-Match": call.ifMatch } },
            body: { name: name.trim(), reason: call.reason },
          });
          batchesChanged();
        }}
      >
        {(form) => <TextInput label={t("common:name")} data-autofocus {...form.getInputProps("name")} />}
      </FormModal>
      <ConfirmDanger
        opened={doing === "revoke"}
        onClose={close}
        title={t("adminCodes:revoke.title", { name: batch.name })}
        effect={
          <Stack gap={4}>
            <Text size="sm">
              {t("adminCodes:revoke.effect", {
                count: left,
                uses: count(left),
                worth: money(worth),
              })}
            </Text>
            <Text size="sm">{t("adminCodes:revoke.stays", { amount: money(given) })}</Text>
          </Stack>
        }
        word={batch.name}
        submit={t("adminCodes:revoke.submit")}
        done={t("adminCodes:revoke.done")}
        entity={batch}
        reload={() => read(batch.id)}
        onConfirm={async (call) => {
          await api.PATCH("/api/code-batches/{batch_id}", {
            params: { path, header: { "If-Match": call.ifMatch } },
            body: { revoked: true, reason: call.reason },
          });
          batchesChanged();
        }}
      />
      <ConfirmDanger
        opened={doing === "archive"}
        onClose={close}
        title={t("adminCodes:archive.title", { name: batch.name })}
        effect={<Text size="sm">{t("adminCodes:archive.effect", { count: left, uses: count(left) })}</Text>}
        word={batch.name}
        submit={t("adminCodes:archive.submit")}
        entity={batch}
        reload={() => read(batch.id)}
        onConfirm={async (call) => {
          await api.DELETE("/api/code-batches/{batch_id}", {
            params: { path, header: { "If-Match": call.ifMatch }, query: { reason: call.reason } },
          });
          batchesChanged();
        }}
      />
    </Stack>
  );
}

function Redemptions(props: {
  batch: Batch;
  listing: ReturnType<typeof useListing<"/api/code-batches/{batch_id}/redemptions">>;
}) {
  const { t } = useTranslation(["adminCodes", "common"]);
  const { nameOf } = useTenantDirectory();
  const columns: Column<Redemption>[] = [
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (row) => <Time at={row.at} form="full" />,
      csv: (row) => row.at,
      fixed: true,
    },
    {
      key: "tenant",
      header: t("common:terms.tenant"),
      cell: (row) => nameOf(row.tenant_id),
      csv: (row) => row.tenant_id,
    },
    {
      key: "user",
      header: t("common:terms.user"),
      cell: (row) => <Who actor={`user:${row.user_id}`} />,
      csv: (row) => row.user_id,
    },
    {
      key: "amount",
      header: t("common:terms.amount"),
      cell: (row) => (
        <Money
          value={row.amount}
          to={{ to: "/admin/wallets", search: { tenant: row.tenant_id, grant: row.grant_id } }}
        />
      ),
      csv: (row) => row.amount,
      numeric: true,
    },
    {
      key: "code",
      header: t("adminCodes:panel.fingerprint"),
      hint: t("adminCodes:panel.fingerprintHint"),
      cell: (row) => <Id value={row.code_sha256} />,
      csv: (row) => row.code_sha256,
    },
  ];
  return (
    <DataTable
      id="redemptions"
      caption={t("adminCodes:panel.redemptions")}
      columns={columns}
      listing={props.listing}
      rowId={(row) => row.grant_id}
      exportUrl={address(`api/code-batches/${props.batch.id}/redemptions/export`)}
      empty={{ title: t("adminCodes:panel.none"), text: t("adminCodes:panel.noneText") }}
    />
  );
}
