import { Button, Group, NumberInput, Stack, Tabs, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { ConfirmDanger } from "~/kit/ConfirmDanger";
import { FormModal } from "~/kit/Form";
import { History } from "~/kit/History";
import { Id } from "~/kit/Id";
import { Loaded } from "~/kit/Loaded";
import { Page } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { count, dateTime, localZone } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { instantOf, wallTime } from "~/lib/wallTime";
import { type Card, cardAt, readCard, useCard, useCards } from "~/parts/cards";
import { useMay } from "~/session/session";
import { CardState } from "./CardState";
import { Diff, useDiff } from "./Diff";
import { Lint, useLint } from "./Lint";
import { PriceEditor } from "./PriceEditor";
import { cardsChanged } from "./prices";
import { adminCardRoute } from "./routes";
import { WhatIf } from "./WhatIf";

const TABS = ["prices", "diff", "lint", "whatif", "history"] as const;

/** One card: its prices, what they change, what looks wrong with them, and what they would have come to. */
export default function AdminCardPage() {
  const { t } = useTranslation("adminPrices");
  const { cardId } = adminCardRoute.useParams();
  const found = useCard(cardId);
  const card = found.data;
  const [search, setSearch] = useUrl(adminCardRoute);
  const may = useMay();
  const tabs = TABS.filter((each) => each !== "whatif" || may("cost:read"));
  const tab = tabs.find((each) => each === search.tab) ?? "prices";
  return (
    <Page
      title={card ? t("cardName", { use: t(`uses.${card.use}`), version: card.card_version }) : t("card")}
      about={card?.source}
      crumbs={[{ label: t("title"), to: { to: "/admin/prices", search: { tab: "cards" } as never } }]}
      bar={{ range: tab === "whatif", otherwise: "30d" }}
      actions={card && <Actions card={card} />}
    >
      <Loaded query={found}>
        {(read) => (
          <Stack gap="lg">
            <Facts card={read} />
            <Tabs
              value={tab}
              keepMounted={false}
              onChange={(next) =>
                setSearch({
                  tab: next === "prices" ? undefined : (next as (typeof TABS)[number]),
                  search: undefined,
                  change: undefined,
                })
              }
            >
              <Tabs.List mb="lg">
                {tabs.map((each) => (
                  <Tabs.Tab key={each} value={each}>
                    {t(`cardTabs.${each}`)}
                  </Tabs.Tab>
                ))}
              </Tabs.List>
              {/* What was typed stays while its effects are looked at. */}
              <Tabs.Panel value="prices" keepMounted>
                <PriceEditor key={`${read.id} ${read.version}`} card={read} />
              </Tabs.Panel>
              <Tabs.Panel value="diff">
                <Diff card={read} />
              </Tabs.Panel>
              <Tabs.Panel value="lint">
                <Lint card={read} />
              </Tabs.Panel>
              <Tabs.Panel value="whatif">
                <WhatIf card={read} />
              </Tabs.Panel>
              <Tabs.Panel value="history">
                <History path="/api/rate-cards/{card_id}/history" params={{ card_id: read.id }} limit={20} />
              </Tabs.Panel>
            </Tabs>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Facts({ card }: { card: Card }) {
  const { t } = useTranslation(["adminPrices", "common"]);
  const cards = useCards().data ?? [];
  return (
    <dl className="tg-fact-list">
      <div>
        <dt>{t("common:terms.status")}</dt>
        <dd>
          <CardState card={card} cards={cards} />
        </dd>
      </div>
      <div>
        <dt>{t("adminPrices:effective")}</dt>
        <dd>
          <Time at={card.effective_from} form="full" />
        </dd>
      </div>
      <div>
        <dt>{t("adminPrices:models")}</dt>
        <dd>{count(card.model_count)}</dd>
      </div>
      <div>
        <dt>{t("adminPrices:currency")}</dt>
        <dd>{card.currency}</dd>
      </div>
      <div>
        <dt>{t("adminPrices:series")}</dt>
        <dd>
          <Id value={card.series_id} />
        </dd>
      </div>
      <div>
        <dt>{t("common:terms.updated")}</dt>
        <dd>
          <Time at={card.updated_at} form="full" />
        </dd>
      </div>
    </dl>
  );
}

const settingsOf = (card: Card, zone: string) => ({
  source: card.source,
  from: wallTime(card.effective_from, zone),
  currency: card.currency,
  version: card.card_version as number | string,
});

function Actions({ card }: { card: Card }) {
  const { t } = useTranslation(["adminPrices", "common"]);
  const may = useMay();
  const navigate = useNavigate();
  const [doing, setDoing] = useState<"settings" | "publish" | "archive" | null>(null);
  const close = () => setDoing(null);
  const zone = localZone();
  if (!may("pricing:write") || card.published || card.archived) return null;
  return (
    <>
      <Button variant="default" color="red" onClick={() => setDoing("archive")}>
        {t("adminPrices:discard.submit")}
      </Button>
      <Button variant="default" onClick={() => setDoing("settings")}>
        {t("adminPrices:draft.settings")}
      </Button>
      <Button onClick={() => setDoing("publish")}>{t("adminPrices:publish.open")}</Button>
      <FormModal
        opened={doing === "settings"}
        onClose={close}
        title={t("adminPrices:draft.settings")}
        initial={settingsOf(card, zone)}
        entity={card}
        reload={() => readCard(card.id)}
        valuesOf={((theirs: Card) => settingsOf(theirs, zone)) as never}
        reason
        validate={{
          from: (from) => (from ? null : t("adminPrices:draft.fromNeeded")),
          currency: (currency) => (/^[A-Z]{3}$/.test(currency) ? null : t("adminPrices:draft.currencyWrong")),
          version: (version) => (Number(version) >= 1 ? null : t("adminPrices:draft.versionWrong")),
        }}
        onSubmit={async (values, call) => {
          await api.PATCH("/api/rate-cards/{card_id}", {
            params: { path: { card_id: card.id }, header: { "If-Match": call.ifMatch } },
            body: {
              source: values.source.trim(),
              effective_from: instantOf(values.from, zone),
              currency: values.currency,
              card_version: Number(values.version),
              reason: call.reason,
            } as never,
          });
          cardsChanged();
        }}
      >
        {(form) => (
          <>
            <TextInput
              label={t("adminPrices:source")}
              description={t("adminPrices:draft.sourceHint")}
              {...form.getInputProps("source")}
            />
            <TextInput
              type="datetime-local"
              label={t("adminPrices:effective")}
              description={t("adminPrices:draft.fromHint", { zone })}
              {...form.getInputProps("from")}
            />
            <TextInput
              label={t("adminPrices:currency")}
              description={t("adminPrices:draft.currencyHint")}
              maxLength={3}
              {...form.getInputProps("currency")}
              onChange={(event) => form.setFieldValue("currency", event.currentTarget.value.toUpperCase())}
            />
            <NumberInput
              label={t("adminPrices:draft.version")}
              description={t("adminPrices:draft.versionHint")}
              min={1}
              allowDecimal={false}
              {...form.getInputProps("version")}
            />
          </>
        )}
      </FormModal>
      {doing === "publish" && <Publish card={card} onClose={close} />}
      <ConfirmDanger
        opened={doing === "archive"}
        onClose={close}
        title={t("adminPrices:discard.title")}
        effect={t("adminPrices:discard.effect", { count: card.model_count })}
        word={String(card.model_count)}
        submit={t("adminPrices:discard.submit")}
        entity={card}
        reload={() => readCard(card.id)}
        onConfirm={async (call) => {
          await api.DELETE("/api/rate-cards/{card_id}", {
            params: {
              path: { card_id: card.id },
              header: { "If-Match": call.ifMatch },
              query: { reason: call.reason },
            },
          });
          cardsChanged();
          void navigate({ to: "/admin/prices", search: { tab: "cards" } });
        }}
      />
    </>
  );
}

/** Publish a draft: what it changes is said in numbers, and the number of changed prices is typed. */
function Publish(props: { card: Card; onClose: () => void }) {
  const { t } = useTranslation("adminPrices");
  const { card } = props;
  const zone = localZone();
  const diff = useDiff(card).data;
  const lint = useLint(card).data;
  const now = useQuery({ queryKey: ["now"], queryFn: () => Date.now(), staleTime: 60_000 }).data ?? 0;
  const cards = useCards().data;
  if (!diff || !lint || !cards) return null;
  const items = diff.items;
  const of = (change: string) => items.filter((each) => each.change === change).length;
  const errors = lint.items.filter((each) => each.severity === "error").length;
  const warnings = lint.items.length - errors;
  const isPast = Date.parse(card.effective_from) <= now;
  const rivals = cards.filter(
    (each) => each.use === card.use && (card.use === "sale" || each.series_id === card.series_id),
  );
  // Of two cards the one with the later date holds, whichever was published last.
  const holds = cardAt([...rivals, { ...card, published: true }], now)?.id === card.id;
  return (
    <ConfirmDanger
      opened
      onClose={props.onClose}
      title={t("publish.title")}
      effect={
        <Stack gap={6}>
          <Text size="sm" fw={600}>
            {t("publish.prices", { count: items.length })}
          </Text>
          <Text size="sm">
            {t("publish.kinds", {
              raised: count(of("raised")),
              lowered: count(of("lowered")),
              added: count(of("added")),
              removed: count(of("removed")),
            })}
          </Text>
          <Text size="sm">
            {!isPast
              ? t("publish.from", { time: dateTime(card.effective_from, zone) })
              : holds
                ? t("publish.atOnce")
                : t("publish.outdone")}
          </Text>
          {(errors > 0 || warnings > 0) && (
            <Group gap="xs">
              <Text size="sm" c={errors > 0 ? "red" : undefined} fw={errors > 0 ? 600 : undefined}>
                {t("publish.findings", { errors: count(errors), warnings: count(warnings) })}
              </Text>
            </Group>
          )}
          {errors > 0 && <Text size="sm">{t("publish.forced")}</Text>}
          <Text size="sm">{t("publish.forGood")}</Text>
        </Stack>
      }
      word={String(items.length)}
      submit={t("publish.submit")}
      done={t("publish.done")}
      entity={card}
      reload={() => readCard(card.id)}
      onConfirm={async (call) => {
        await data(
          api.POST("/api/rate-cards/{card_id}/publish", {
            params: { path: { card_id: card.id }, header: { "If-Match": call.ifMatch } },
            body: { force: errors > 0, reason: call.reason },
          }),
        );
        cardsChanged();
      }}
    />
  );
}
