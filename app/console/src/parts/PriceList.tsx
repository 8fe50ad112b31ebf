import { Badge, SegmentedControl, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Filters } from "~/kit/Filters";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { Time } from "~/kit/Time";
import { compact, count, money } from "~/lib/format";
import {
  inUnit,
  isFree,
  type ModelPrice,
  OTHER_CLASSES,
  type Per,
  scaled,
  TOKEN_CLASSES,
  type TokenClass,
} from "./prices";

export type PricedModel = {
  model: string;
  price: ModelPrice;
  /** What this reader's prices are scaled by; "1" for visitors. */
  multiplier?: string;
};

type Search = { search?: string; free?: boolean; per?: Per; row?: string };

const SHOWN: readonly TokenClass[] = ["input", "cached_input", "output"];

/** Models with what they cost: searched, in the unit of one's choice, each with its tiers and its history. */
export function PriceList(props: {
  id: string;
  caption: string;
  models: PricedModel[] | undefined;
  query: { isPending?: boolean; isFetching?: boolean; error?: unknown; refetch?: () => unknown };
  currency: string;
  search: Search;
  setSearch: (patch: Search, options?: { push?: boolean }) => void;
  more?: Column<PricedModel>[];
}) {
  const { t } = useTranslation(["prices", "common"]);
  const { search, setSearch, currency } = props;
  const per = search.per ?? "1m";
  const wanted = search.search?.toLowerCase();
  const rows = (props.models ?? [])
    .filter((each) => !wanted || each.model.toLowerCase().includes(wanted))
    .filter((each) => search.free === undefined || isFree(each.price) === search.free);
  const open = props.models?.find((each) => each.model === search.row);
  const cell = (value: string | null | undefined) =>
    value === null || value === undefined ? null : <Money value={inUnit(value, per)} currency={currency} />;
  const columns: Column<PricedModel>[] = [
    {
      key: "model",
      header: t("common:terms.model"),
      cell: (row) => (
        <>
          {row.model}{" "}
          {isFree(row.price) && (
            <Badge size="xs" variant="light">
              {t("prices:free")}
            </Badge>
          )}
        </>
      ),
      csv: (row) => row.model,
      fixed: true,
    },
    ...TOKEN_CLASSES.map(
      (name): Column<PricedModel> => ({
        key: name,
        header: t(`prices:classes.${name}`),
        cell: (row) => cell(scaled(row.price, row.multiplier ?? "1")[name]),
        csv: (row) => scaled(row.price, row.multiplier ?? "1")[name],
        numeric: true,
        hidden: !SHOWN.includes(name),
      }),
    ),
    ...((props.models ?? []).some((each) => hasOther(each.price))
      ? [
          {
            key: "other",
            header: t("prices:other"),
            cell: (row: PricedModel) => <OtherPrices row={row} currency={currency} />,
          },
        ]
      : []),
    {
      key: "context",
      header: t("prices:context"),
      hint: t("prices:contextHint"),
      cell: (row) => (row.price.context_tokens_max ? compact(row.price.context_tokens_max) : "–"),
      csv: (row) => row.price.context_tokens_max,
      numeric: true,
    },
    ...(props.more ?? []),
  ];
  return (
    <>
      <DataTable
        id={props.id}
        caption={props.caption}
        columns={columns}
        listing={wholeListing(rows, props.query)}
        rowId={(row) => row.model}
        rowLink={(row) => ({ to: ".", search: ((old: object) => ({ ...old, row: row.model })) as never })}
        openId={search.row}
        filters={
          <Filters
            fields={[
              { key: "search", kind: "text", label: t("prices:find"), isSearch: true },
              {
                key: "free",
                kind: "flag",
                label: t("prices:cost"),
                yes: t("prices:free"),
                no: t("prices:paid"),
                width: 120,
              },
            ]}
            value={search}
            onChange={setSearch as (patch: never) => void}
          />
        }
        filtered={search.search !== undefined || search.free !== undefined}
        onClear={() => setSearch({ search: undefined, free: undefined })}
        toolbar={
          <SegmentedControl
            size="xs"
            aria-label={t("prices:unit")}
            data={[
              { value: "1m", label: t("prices:per1m") },
              { value: "1k", label: t("prices:per1k") },
            ]}
            value={per}
            onChange={(next) => setSearch({ per: next === "1m" ? undefined : (next as Per) })}
          />
        }
        empty={{ title: t("prices:empty"), text: t("prices:emptyText") }}
      />
      <SidePanel
        opened={open !== undefined}
        onClose={() => setSearch({ row: undefined })}
        title={open?.model ?? ""}
        wide
      >
        {open && <ModelDetails row={open} currency={currency} per={per} />}
      </SidePanel>
    </>
  );
}

const hasOther = (price: ModelPrice): boolean =>
  OTHER_CLASSES.some((name) => price[name]) ||
  Object.keys(price.per_image_by ?? {}).length > 0 ||
  (price.tiers ?? []).length > 0;

/** What is not priced by tokens: calls, images, seconds, characters. */
function OtherPrices(props: { row: PricedModel; currency: string }) {
  const { t } = useTranslation("prices");
  const price = scaled(props.row.price, props.row.multiplier ?? "1");
  const found = OTHER_CLASSES.filter((name) => price[name]);
  const images = Object.keys(price.per_image_by ?? {}).length;
  const tiers = price.tiers?.length ?? 0;
  return (
    <span className="tg-lines">
      {found.map((name) => (
        <span key={name}>
          <Money value={price[name]} currency={props.currency} />{" "}
          <span className="tg-dim">{t(`classes.${name}`)} </span>
        </span>
      ))}
      {images > 0 && <span className="tg-dim">{t("imageKinds", { count: images })} </span>}
      {tiers > 0 && <span className="tg-dim">{t("tiers", { count: tiers })}</span>}
    </span>
  );
}

function ModelDetails(props: { row: PricedModel; currency: string; per: Per }) {
  const { t } = useTranslation(["prices", "common"]);
  const { row, currency, per } = props;
  const multiplier = row.multiplier ?? "1";
  const price = scaled(row.price, multiplier);
  const tiers = price.tiers ?? [];
  const classes = TOKEN_CLASSES.filter((name) => price[name] || tiers.some((tier) => tier[name]));
  const others = OTHER_CLASSES.filter((name) => price[name]);
  const images = Object.entries(price.per_image_by ?? {});
  const unit = t(per === "1m" ? "prices:per1m" : "prices:per1k");
  const cell = (value: string | null | undefined) =>
    value === null || value === undefined ? (
      <span className="tg-dim">–</span>
    ) : (
      <Money value={inUnit(value, per)} currency={currency} />
    );
  return (
    <Stack>
      {multiplier !== "1" && <Text size="sm">{t("prices:scaled", { multiplier })}</Text>}
      {classes.length > 0 && (
        <div className="tg-scroll-x">
          <Table className="tg-table" data-density="compact">
            <Table.Caption className="tg-hidden">{t("prices:byTokens")}</Table.Caption>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("prices:unitOf", { unit })}</Table.Th>
                <Table.Th className="tg-num">{t("prices:base")}</Table.Th>
                {tiers.map((tier) => (
                  <Table.Th key={tier.input_tokens_from} className="tg-num">
                    {t("prices:from", { tokens: compact(tier.input_tokens_from) })}
                  </Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {classes.map((name) => (
                <Table.Tr key={name}>
                  <Table.Td>{t(`prices:classes.${name}`)}</Table.Td>
                  <Table.Td className="tg-num">{cell(price[name])}</Table.Td>
                  {tiers.map((tier) => (
                    <Table.Td key={tier.input_tokens_from} className="tg-num">
                      {cell(tier[name] ?? price[name])}
                    </Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {tiers.length > 0 && (
        <Text size="sm" c="dimmed">
          {t("prices:tierRule")}
        </Text>
      )}
      {(others.length > 0 || images.length > 0) && (
        <Table className="tg-facts" withRowBorders={false}>
          <Table.Tbody>
            {others.map((name) => (
              <Table.Tr key={name}>
                <Table.Th scope="row">{t(`prices:classes.${name}`)}</Table.Th>
                <Table.Td>
                  <Money value={price[name]} currency={currency} />
                </Table.Td>
              </Table.Tr>
            ))}
            {images.map(([kind, value]) => (
              <Table.Tr key={kind}>
                <Table.Th scope="row">{t("prices:image", { kind })}</Table.Th>
                <Table.Td>
                  <Money value={value} currency={currency} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <Text size="sm" c="dimmed">
        {row.price.context_tokens_max ? t("prices:reads", { tokens: count(row.price.context_tokens_max) }) : ""}{" "}
        {row.price.output_tokens_max ? t("prices:writes", { tokens: count(row.price.output_tokens_max) }) : ""}
      </Text>
      <History model={row.model} currency={currency} multiplier={multiplier} />
    </Stack>
  );
}

/** What the model has cost, and what is announced. */
function History(props: { model: string; currency: string; multiplier: string }) {
  const { t } = useTranslation(["prices", "common"]);
  const query = useQuery({
    queryKey: ["get", "/api/public/prices/history", props.model],
    queryFn: () => data(api.GET("/api/public/prices/history", { params: { query: { model: props.model } } })),
    staleTime: 60_000,
  });
  return (
    <Section title={t("prices:history")} about={props.multiplier === "1" ? undefined : t("prices:historyList")}>
      <Loaded query={query} rows={3}>
        {(history) => {
          const steps = history.items.filter(
            (each, index) => JSON.stringify(each.price) !== JSON.stringify(history.items[index + 1]?.price ?? null),
          );
          const points = [...steps].reverse().map((each) => ({
            at: each.effective_from,
            values: { input: each.price?.input ?? null, output: each.price?.output ?? null },
          }));
          return (
            <Stack>
              {points.length > 1 && (
                <Chart
                  title={t("prices:history")}
                  unit={t("prices:currencyPer1m", { currency: props.currency })}
                  kind="step"
                  points={points}
                  series={[
                    { key: "input", label: t("prices:classes.input"), color: "var(--tg-series-0)" },
                    { key: "output", label: t("prices:classes.output"), color: "var(--tg-series-1)" },
                  ]}
                  format={(figure) => money(String(figure), props.currency)}
                  height={160}
                />
              )}
              <Table className="tg-table" data-density="compact">
                <Table.Caption className="tg-hidden">{t("prices:history")}</Table.Caption>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t("prices:since")}</Table.Th>
                    <Table.Th className="tg-num">{t("prices:classes.input")}</Table.Th>
                    <Table.Th className="tg-num">{t("prices:classes.output")}</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {steps.map((each) => (
                    <Table.Tr key={`${each.effective_from}-${each.card_version}`}>
                      <Table.Td>
                        <Time at={each.effective_from} form="date" />{" "}
                        {Date.parse(each.effective_from) > Date.now() && (
                          <Badge size="xs" variant="light" color="yellow">
                            {t("prices:future")}
                          </Badge>
                        )}
                      </Table.Td>
                      <Table.Td className="tg-num">
                        <Money value={each.price?.input} currency={props.currency} />
                      </Table.Td>
                      <Table.Td className="tg-num">
                        <Money value={each.price?.output} currency={props.currency} />
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Stack>
          );
        }}
      </Loaded>
    </Section>
  );
}
