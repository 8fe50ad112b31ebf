import { Alert, Button, Group, Select, Stack, Table, Text } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Fragment } from "react";
import { useTranslation } from "~/i18n/use";
import { Chart, type Point } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Empty } from "~/kit/Empty";
import { Filters } from "~/kit/Filters";
import { Money } from "~/kit/Money";
import { Pending } from "~/kit/Pending";
import { Scroll } from "~/kit/Scroll";
import { SidePanel } from "~/kit/SidePanel";
import { Time } from "~/kit/Time";
import { date, money } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { type Card, type CardSummary, cardAt, readCard, useCards } from "~/parts/cards";
import { type ModelPrice, OTHER_CLASSES, TOKEN_CLASSES } from "~/parts/prices";
import { useMay } from "~/session/session";
import { CardState } from "./CardState";
import { samePrice, useParts } from "./prices";
import { adminPricesRoute } from "./routes";

/** Read several cards; published ones never change. */
const useCardsOf = (cards: CardSummary[]): (Card | undefined)[] =>
  useQueries({
    queries: cards.map((each) => ({
      queryKey: ["get", "/api/rate-cards/{card_id}", each.id],
      queryFn: () => readCard(each.id),
      staleTime: each.published ? 3_600_000 : 10_000,
    })),
  }).map((each) => each.data);

/** The price of a model on a card, under its own name or the one that it stands for. */
export const priceOn = (card: Card | undefined, model: string): ModelPrice | undefined =>
  card?.models[model] ?? card?.models[card.aliases[model] ?? ""];

/** The cards in force: the sale card, and of each series of cost cards one. */
function cardsNow(cards: readonly CardSummary[]): { sale: CardSummary | undefined; costs: CardSummary[] } {
  const costs = cards.filter((each) => each.use === "cost");
  const series = [...new Set(costs.map((each) => each.series_id))];
  return {
    sale: cardAt(cards.filter((each) => each.use === "sale")),
    costs: series.flatMap((id) => cardAt(costs.filter((each) => each.series_id === id)) ?? []),
  };
}

type Row = { model: string; sale: ModelPrice | undefined; costs: ModelPrice[]; coming: CardSummary[] };

/** Every model with what it sells for and what vendors charge, now; and what is drafted or announced. */
export function ModelPrices() {
  const { t } = useTranslation(["adminPrices", "common", "prices"]);
  const [search, setSearch] = useUrl(adminPricesRoute);
  const listed = useCards();
  const cards = listed.data ?? [];
  const now = cardsNow(cards);
  const waiting = cards.filter(
    (each) =>
      each.use === "sale" && !each.archived && (!each.published || Date.parse(each.effective_from) > Date.now()),
  );
  const [sale, ...others] = useCardsOf([...(now.sale ? [now.sale] : []), ...now.costs, ...waiting.slice(0, 5)]);
  const costs = others.slice(0, now.costs.length);
  const next = others.slice(now.costs.length).filter((each) => each !== undefined);
  const loading = listed.isPending || (now.sale !== undefined && sale === undefined);
  const wanted = search.search?.toLowerCase();
  // A card may price thousands of models: those that vendors of ours charge for, or that will change, come first.
  const names = [...new Set([sale, ...costs, ...next].flatMap((card) => Object.keys(card?.models ?? {})))].sort(
    (one, other) => one.localeCompare(other),
  );
  const rows = names
    .filter((model) => !wanted || model.toLowerCase().includes(wanted))
    .map((model): Row => {
      const price = priceOn(sale, model);
      return {
        model,
        sale: price,
        costs: costs.flatMap((card) => priceOn(card, model) ?? []),
        coming: next.filter((card) => !samePrice(price as never, priceOn(card, model) as never)),
      };
    });
  const counts = (row: Row) => Number(row.costs.length + row.coming.length > 0);
  const listing = useParts(
    rows.sort((one, other) => counts(other) - counts(one)),
    { ...listed, isPending: loading },
  );
  const currency = now.sale?.currency;
  const costCell = (row: Row, name: "input" | "output") => {
    const known = row.costs.flatMap((price) => price[name] ?? []);
    return known.length ? (
      <span className="tg-nowrap">
        {[...new Set(known)].slice(0, 3).map((value, index) => (
          <Fragment key={value}>
            {index > 0 && <span className="tg-dim">{" · "}</span>}
            <Money value={value} currency={now.costs[0]?.currency} />
          </Fragment>
        ))}
      </span>
    ) : (
      <span className="tg-dim">–</span>
    );
  };
  const columns: Column<Row>[] = [
    { key: "model", header: t("common:terms.model"), cell: (row) => row.model, csv: (row) => row.model, fixed: true },
    ...(["input", "cached_input", "output"] as const).map(
      (name): Column<Row> => ({
        key: name,
        header: t("adminPrices:saleOf", { what: t(`prices:classes.${name}`) }),
        hint: t("prices:per1m"),
        cell: (row) => <Money value={row.sale?.[name]} currency={currency} />,
        csv: (row) => row.sale?.[name],
        numeric: true,
      }),
    ),
    {
      key: "other",
      header: t("prices:other"),
      cell: (row) =>
        OTHER_CLASSES.filter((name) => row.sale?.[name])
          .map((name) => t(`prices:classes.${name}`))
          .join(", "),
    },
    ...(["input", "output"] as const).map(
      (name): Column<Row> => ({
        key: `cost_${name}`,
        header: t("adminPrices:costOf", { what: t(`prices:classes.${name}`) }),
        hint: t("adminPrices:costHint"),
        cell: (row) => costCell(row, name),
        csv: (row) => row.costs.flatMap((price) => price[name] ?? []).join(" "),
        numeric: true,
      }),
    ),
    {
      key: "since",
      header: t("adminPrices:effective"),
      cell: (row) =>
        row.sale ? (
          <span className="tg-nowrap">
            <Time at={now.sale?.effective_from} form="date" />
          </span>
        ) : (
          <span className="tg-dim">–</span>
        ),
      csv: () => now.sale?.effective_from,
    },
    {
      key: "coming",
      header: t("adminPrices:coming"),
      hint: t("adminPrices:comingHint"),
      cell: (row) =>
        row.coming.length === 0 ? (
          <span className="tg-dim">–</span>
        ) : (
          <Group gap={6}>
            {row.coming.map((card) => (
              <Link
                key={card.id}
                to="/admin/prices/$cardId"
                params={{ cardId: card.id }}
                search={{ search: row.model }}
                className="tg-link"
              >
                {card.published ? date(card.effective_from) : t("adminPrices:draftOf", { version: card.card_version })}
              </Link>
            ))}
          </Group>
        ),
    },
  ];
  return (
    <>
      <DataTable
        id="model-prices"
        caption={t("adminPrices:tabs.models")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.model}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.model })) as never })}
        openId={search.row}
        filters={
          <Filters
            fields={[{ key: "search", kind: "text", label: t("prices:find"), isSearch: true }]}
            value={search}
            onChange={setSearch}
          />
        }
        filtered={search.search !== undefined}
        onClear={() => setSearch({ search: undefined })}
        empty={{ title: t("adminPrices:empty"), text: t("adminPrices:emptyText") }}
      />
      <SidePanel
        opened={search.row !== undefined}
        onClose={() => setSearch({ row: undefined })}
        title={search.row ?? ""}
        wide
      >
        {search.row && <PriceHistory model={search.row} />}
      </SidePanel>
    </>
  );
}

/** What a model has cost on every published card, sale and cost, as steps; with `onModel`, of a model to be chosen. */
export function PriceHistory(props: { model: string | undefined; onModel?: (model: string | null) => void }) {
  const { t } = useTranslation(["adminPrices", "common", "prices"]);
  const may = useMay();
  const cards = (useCards().data ?? []).filter((each) => each.published);
  // Twenty cards of a use are read: who changes prices daily still sees three weeks.
  const sale = cards.filter((each) => each.use === "sale").slice(0, 20);
  const cost = cards.filter((each) => each.use === "cost").slice(0, 20);
  const read = useCardsOf([...sale, ...cost]);
  const known = read.filter((each) => each !== undefined);
  const selling = known.filter((each) => each.use === "sale").flatMap((each) => Object.keys(each.models));
  const names = [...new Set(selling)].sort();
  const model = props.model;
  const steps = model
    ? known
        .map((card) => ({ card, price: priceOn(card, model) }))
        .filter((each) => each.price !== undefined || each.card.use === "sale")
        .sort((one, other) => Date.parse(one.card.effective_from) - Date.parse(other.card.effective_from))
    : [];
  const sales = steps.filter((each) => each.card.use === "sale");
  const points = pointsOf(steps);
  const lines = [...new Map(steps.map(({ card }) => [lineOf(card), card])).values()]
    .filter((card) => card.use === "sale" || may("cost:read"))
    .slice(0, 5);
  const classes = TOKEN_CLASSES.filter((name) => steps.some((each) => each.price?.[name]));
  const currency = steps[0]?.card.currency ?? "";
  return (
    <Stack>
      {props.onModel && (
        <Select
          label={t("common:terms.model")}
          w={360}
          maw="100%"
          data={names}
          limit={100}
          searchable
          clearable
          value={model ?? null}
          onChange={props.onModel}
        />
      )}
      {read.some((each) => each === undefined) && <Pending rows={4} />}
      {!model ? (
        <Empty title={t("adminPrices:history.choose")} text={t("adminPrices:history.chooseText")} />
      ) : (
        <>
          <Chart
            title={t("adminPrices:history.title")}
            unit={t("prices:currencyPer1m", { currency })}
            kind="step"
            points={points}
            series={lines.flatMap((card) =>
              (["input", "output"] as const).map((name) => ({
                key: `${lineOf(card)} ${name}`,
                label:
                  card.use === "sale"
                    ? t("adminPrices:saleOf", { what: t(`prices:classes.${name}`) })
                    : t("adminPrices:costBy", { what: t(`prices:classes.${name}`), source: card.source }),
              })),
            )}
            format={(figure) => money(String(figure), currency)}
          />
          <Scroll label={t("adminPrices:history.title")}>
            <Table className="tg-table" data-density="compact">
              <Table.Caption className="tg-hidden">{t("adminPrices:history.title")}</Table.Caption>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("adminPrices:effective")}</Table.Th>
                  <Table.Th>{t("adminPrices:card")}</Table.Th>
                  <Table.Th>{t("common:terms.status")}</Table.Th>
                  {classes.map((name) => (
                    <Table.Th key={name} className="tg-num">
                      {t(`prices:classes.${name}`)}
                    </Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {[...steps].reverse().map(({ card, price }) => (
                  <Table.Tr key={card.id}>
                    <Table.Td>
                      <Time at={card.effective_from} form="date" />
                    </Table.Td>
                    <Table.Td>
                      <Link
                        to="/admin/prices/$cardId"
                        params={{ cardId: card.id }}
                        search={{ search: model }}
                        className="tg-link"
                      >
                        {t("adminPrices:cardName", {
                          use: t(`adminPrices:uses.${card.use}`),
                          version: card.card_version,
                        })}
                      </Link>
                    </Table.Td>
                    <Table.Td>
                      <CardState card={card} cards={cards} />
                    </Table.Td>
                    {classes.map((name) => (
                      <Table.Td key={name} className="tg-num">
                        <Money value={price?.[name]} currency={card.currency} />
                      </Table.Td>
                    ))}
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Scroll>
          {sales.length === 0 && (
            <Alert color="orange">
              <Text size="sm">{t("adminPrices:history.never")}</Text>
            </Alert>
          )}
          {!props.onModel && (
            <Group>
              <Button component={Link} to="/admin/routing" search={{ row: model } as never} variant="default" size="xs">
                {t("adminPrices:history.routes")}
              </Button>
            </Group>
          )}
        </>
      )}
    </Stack>
  );
}

/**
 * The steps of a model's prices: each point carries on what did not change, and the last reaches today. Vendors' cards
 * have lines of their own. Cards of the same hour are one step: they were published together.
 */
export function pointsOf(steps: { card: Card; price: ModelPrice | undefined }[], now = Date.now()): Point[] {
  const points: Point[] = [];
  let values: Point["values"] = {};
  for (const { card, price } of steps) {
    const key = lineOf(card);
    values = { ...values, [`${key} input`]: price?.input ?? null, [`${key} output`]: price?.output ?? null };
    const point = { at: card.effective_from, values };
    const last = points[points.length - 1];
    if (last && Date.parse(point.at) - Date.parse(last.at) < HOUR) points[points.length - 1] = { at: last.at, values };
    else points.push(point);
  }
  const last = points[points.length - 1];
  return last && Date.parse(last.at) < now - HOUR ? [...points, { at: new Date(now).toISOString(), values }] : points;
}

const HOUR = 3_600_000;
/** Sale cards follow on one another; of cost cards each series does. */
const lineOf = (card: Card): string => (card.use === "sale" ? "sale" : card.series_id);
