import { Button, Select, Stack, Tabs, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { api, data } from "~/api/client";
import { useListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { FormModal } from "~/kit/Form";
import { Icon } from "~/kit/Icon";
import { Id } from "~/kit/Id";
import { Page } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { count, date, localZone } from "~/lib/format";
import { cleared, useUrl } from "~/lib/url";
import { instantOf, wallTime } from "~/lib/wallTime";
import { type CardSummary, cardAt, readCard, useCards } from "~/parts/cards";
import { useMay } from "~/session/session";
import { CardState } from "./CardState";
import { Margin } from "./Margin";
import { ModelPrices, PriceHistory } from "./ModelPrices";
import { cardsChanged } from "./prices";
import { adminPricesRoute } from "./routes";

const TABS = ["models", "cards", "history", "margin"] as const;

export default function AdminPricesPage() {
  const { t } = useTranslation("adminPrices");
  const [search, setSearch] = useUrl(adminPricesRoute);
  const may = useMay();
  const tabs = TABS.filter((each) => each !== "margin" || may("cost:read"));
  const tab = tabs.find((each) => each === search.tab) ?? "models";
  return (
    <Page
      title={t("title")}
      about={t("about")}
      bar={{ range: tab === "margin", otherwise: "30d" }}
      actions={
        may("pricing:write") && (
          <Button leftSection={<Icon name="plus" />} onClick={() => setSearch({ new: true }, { push: true })}>
            {t("draft.add")}
          </Button>
        )
      }
    >
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => {
          setSearch({
            ...cleared(search),
            tab: next === "models" ? undefined : (next as (typeof TABS)[number]),
          });
        }}
      >
        <Tabs.List mb="lg">
          {tabs.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(`tabs.${each}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="models">
          <ModelPrices />
        </Tabs.Panel>
        <Tabs.Panel value="cards">
          <Cards />
        </Tabs.Panel>
        <Tabs.Panel value="history">
          <Stack>
            <PriceHistory model={search.model} onModel={(model) => setSearch({ model: model ?? undefined })} />
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="margin">
          <Margin />
        </Tabs.Panel>
      </Tabs>
      <NewDraft opened={search.new ?? false} onClose={() => setSearch({ new: undefined })} />
    </Page>
  );
}

function Cards() {
  const { t } = useTranslation(["adminPrices", "common"]);
  const [search, setSearch] = useUrl(adminPricesRoute);
  const all = useCards().data ?? [];
  const listing = useListing("/api/rate-cards", {
    query: {
      use: search.use,
      published: search.published,
      include_archived: search.archived,
      sort: search.sort,
    },
  });
  const fields: FilterField[] = [
    {
      key: "use",
      kind: "choice",
      label: t("adminPrices:use"),
      options: (["sale", "cost"] as const).map((each) => ({ value: each, label: t(`adminPrices:uses.${each}`) })),
      width: 150,
    },
    {
      key: "published",
      kind: "flag",
      label: t("common:terms.status"),
      yes: t("adminPrices:states.published"),
      no: t("adminPrices:states.draft"),
      width: 150,
    },
    { key: "archived", kind: "flag", label: t("adminPrices:states.archived"), width: 130 },
  ];
  const columns: Column<CardSummary>[] = [
    {
      key: "card",
      header: t("adminPrices:card"),
      cell: (row) => t("adminPrices:cardName", { use: t(`adminPrices:uses.${row.use}`), version: row.card_version }),
      csv: (row) => `${row.use} ${row.card_version}`,
      fixed: true,
    },
    { key: "source", header: t("adminPrices:source"), cell: (row) => row.source || "–", csv: (row) => row.source },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (row) => <CardState card={row} cards={all} />,
      csv: (row) => (row.published ? "published" : "draft"),
    },
    {
      key: "from",
      header: t("adminPrices:effective"),
      cell: (row) => <Time at={row.effective_from} form="full" />,
      csv: (row) => row.effective_from,
    },
    {
      key: "models",
      header: t("adminPrices:models"),
      cell: (row) => count(row.model_count),
      csv: (row) => row.model_count,
      numeric: true,
    },
    { key: "currency", header: t("adminPrices:currency"), cell: (row) => row.currency, csv: (row) => row.currency },
    {
      key: "series",
      header: t("adminPrices:series"),
      hint: t("adminPrices:seriesHint"),
      cell: (row) => <Id value={row.series_id} />,
      csv: (row) => row.series_id,
      hidden: true,
    },
    {
      key: "updated",
      header: t("common:terms.updated"),
      cell: (row) => <Time at={row.updated_at} />,
      csv: (row) => row.updated_at,
      sort: "updated_at",
    },
  ];
  return (
    <DataTable
      id="rate-cards"
      caption={t("adminPrices:tabs.cards")}
      columns={columns}
      listing={listing}
      rowId={(row) => row.id}
      rowLink={(row) => ({ to: "/admin/prices/$cardId", params: { cardId: row.id } })}
      sort={search.sort}
      onSort={(sort) => setSearch({ sort: sort as typeof search.sort })}
      filters={<Filters fields={fields} value={search} onChange={setSearch} />}
      filtered={[search.use, search.published, search.archived].some((each) => each !== undefined)}
      onClear={() => setSearch({ use: undefined, published: undefined, archived: undefined })}
      empty={{ title: t("adminPrices:empty"), text: t("adminPrices:emptyText") }}
    />
  );
}

type Values = { use: "sale" | "cost"; base: string; source: string; from: string };

/** A draft of its own, or the next version of a card that there is, with its prices to begin with. */
function NewDraft(props: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation("adminPrices");
  const navigate = useNavigate();
  const cards = useCards().data ?? [];
  const zone = localZone();
  const newest = cardAt(cards.filter((each) => each.use === "sale"));
  const tomorrow = `${wallTime(new Date(Date.now() + 86_400_000), zone).slice(0, 10)}T00:00`;
  return (
    <FormModal<Values>
      key={newest?.id}
      opened={props.opened}
      onClose={props.onClose}
      title={t("draft.add")}
      about={t("draft.about")}
      submit={t("draft.create")}
      initial={{ use: "sale", base: newest?.id ?? "", source: "", from: tomorrow }}
      reason
      done=""
      validate={{ from: (from) => (from ? null : t("draft.fromNeeded")) }}
      onSubmit={async (values, call) => {
        const base = values.base ? await readCard(values.base) : null;
        const versions = cards.filter((each) => each.series_id === base?.series_id).map((each) => each.card_version);
        const made = await data(
          api.POST("/api/rate-cards", {
            body: {
              use: base?.use ?? values.use,
              models: base?.models ?? {},
              aliases: base?.aliases ?? {},
              currency: base?.currency,
              series_id: base?.series_id ?? null,
              card_version: base ? Math.max(...versions, base.card_version) + 1 : 1,
              source: values.source.trim(),
              effective_from: instantOf(values.from, zone),
              reason: call.reason,
            } as never,
          }),
        );
        cardsChanged();
        void navigate({ to: "/admin/prices/$cardId", params: { cardId: made.id } });
      }}
    >
      {(form) => (
        <>
          <Select
            label={t("draft.base")}
            description={t("draft.baseHint")}
            data={[
              { value: "", label: t("draft.blank") },
              ...cards
                .filter((each) => each.published)
                .map((each) => ({
                  value: each.id,
                  label: t("draft.baseChoice", {
                    use: t(`uses.${each.use}`),
                    version: each.card_version,
                    date: date(each.effective_from, zone),
                    count: each.model_count,
                  }),
                })),
            ]}
            searchable
            {...form.getInputProps("base")}
          />
          {form.values.base === "" && (
            <Select
              label={t("use")}
              data={(["sale", "cost"] as const).map((each) => ({ value: each, label: t(`uses.${each}`) }))}
              {...form.getInputProps("use")}
            />
          )}
          <TextInput label={t("source")} description={t("draft.sourceHint")} {...form.getInputProps("source")} />
          <TextInput
            type="datetime-local"
            label={t("effective")}
            description={t("draft.fromHint", { zone })}
            {...form.getInputProps("from")}
          />
        </>
      )}
    </FormModal>
  );
}
