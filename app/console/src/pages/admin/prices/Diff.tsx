import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Filters } from "~/kit/Filters";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { Status, type Tone } from "~/kit/Status";
import { count, percent, plotted } from "~/lib/format";
import { useUrl } from "~/lib/url";
import type { Card } from "~/parts/cards";
import { OTHER_CLASSES, TOKEN_CLASSES } from "~/parts/prices";
import { useParts } from "./prices";
import { adminCardRoute } from "./routes";

/** Names that are told one by one; the prices of a whole vendor may bring hundreds. */
const NAMES_MAX = 50;

type Row = Schema["PriceDifference"];

const CHANGES = ["raised", "lowered", "added", "removed"] as const;
const TONES: Record<Row["change"], Tone> = { raised: "warn", lowered: "good", added: "info", removed: "bad" };

export const useDiff = (card: Card) =>
  useQuery({
    queryKey: ["get", "/api/rate-cards/{card_id}/diff", card.id, card.version],
    queryFn: () => data(api.GET("/api/rate-cards/{card_id}/diff", { params: { path: { card_id: card.id } } })),
  });

/** What is different from the card before. */
export function Diff({ card }: { card: Card }) {
  const { t } = useTranslation(["adminPrices", "common", "prices"]);
  const [search, setSearch] = useUrl(adminCardRoute);
  const found = useDiff(card);
  const wanted = search.search?.toLowerCase();
  const rows = (found.data?.items ?? []).filter(
    (each) =>
      (!wanted || each.model.toLowerCase().includes(wanted)) && (!search.change || each.change === search.change),
  );
  const byHow = (row: Row) => {
    const before = plotted(row.before);
    const after = plotted(row.after);
    return before && after !== null ? after / before - 1 : null;
  };
  const columns: Column<Row>[] = [
    { key: "model", header: t("common:terms.model"), cell: (row) => row.model, csv: (row) => row.model, fixed: true },
    {
      key: "price",
      header: t("adminPrices:price"),
      cell: (row) => <PriceName name={row.price} />,
      csv: (row) => row.price,
    },
    {
      key: "change",
      header: t("adminPrices:diff.change"),
      cell: (row) => <Status tone={TONES[row.change]}>{t(`adminPrices:diff.${row.change}`)}</Status>,
      csv: (row) => row.change,
    },
    {
      key: "before",
      header: t("adminPrices:diff.before"),
      cell: (row) => <Money value={row.before} currency={card.currency} />,
      csv: (row) => row.before,
      numeric: true,
    },
    {
      key: "after",
      header: t("adminPrices:diff.after"),
      cell: (row) => <Money value={row.after} currency={card.currency} />,
      csv: (row) => row.after,
      numeric: true,
    },
    {
      key: "by",
      header: t("adminPrices:diff.by"),
      cell: (row) => {
        const share = byHow(row);
        return share === null ? (
          <span className="tg-dim">–</span>
        ) : (
          t(share < 0 ? "adminPrices:diff.less" : "adminPrices:diff.more", { share: percent(Math.abs(share)) })
        );
      },
      csv: byHow,
      numeric: true,
    },
  ];
  const listing = useParts(rows, found, 100);
  const names = Object.entries(found.data?.aliases_added ?? {});
  const lost = found.data?.aliases_removed ?? [];
  return (
    <Stack>
      <DataTable
        id="card-diff"
        caption={t("adminPrices:cardTabs.diff")}
        columns={columns}
        listing={listing}
        rowId={(row) => `${row.model} ${row.price}`}
        filters={
          <Filters
            fields={[
              { key: "search", kind: "text", label: t("prices:find"), isSearch: true },
              {
                key: "change",
                kind: "choice",
                label: t("adminPrices:diff.change"),
                options: CHANGES.map((each) => ({ value: each, label: t(`adminPrices:diff.${each}`) })),
              },
            ]}
            value={search}
            onChange={setSearch}
          />
        }
        filtered={search.search !== undefined || search.change !== undefined}
        onClear={() => setSearch({ search: undefined, change: undefined })}
        empty={{ title: t("adminPrices:diff.empty"), text: t("adminPrices:diff.emptyText") }}
      />
      {(names.length > 0 || lost.length > 0) && (
        <Section title={t("adminPrices:diff.names")}>
          <ul className="tg-notes">
            {names.slice(0, NAMES_MAX).map(([name, model]) => (
              <li key={name}>{t("adminPrices:diff.nameAdded", { name, model })}</li>
            ))}
            {lost.slice(0, NAMES_MAX).map((name) => (
              <li key={name}>{t("adminPrices:diff.nameRemoved", { name })}</li>
            ))}
            {Math.max(names.length, lost.length) > NAMES_MAX && (
              <li>{t("adminPrices:diff.namesMore", { all: count(names.length + lost.length) })}</li>
            )}
          </ul>
        </Section>
      )}
    </Stack>
  );
}

const KNOWN = [...TOKEN_CLASSES, ...OTHER_CLASSES] as const;

/** The name of a price as the API writes it: "output from 200000 input tokens on" is that of a tier. */
function PriceName(props: { name: string }) {
  const { t } = useTranslation("prices");
  const tier = /^(\w+) from (\d+) input tokens on$/.exec(props.name);
  const known = KNOWN.find((each) => each === (tier?.[1] ?? props.name));
  if (!known) return <span lang="en">{props.name}</span>;
  const name = t(`classes.${known}`);
  return <>{tier ? `${name}, ${t("from", { tokens: tier[2] ?? "" })}` : name}</>;
}
