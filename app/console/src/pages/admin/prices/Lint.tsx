import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { DataTable } from "~/kit/DataTable";
import { Status } from "~/kit/Status";
import type { Card } from "~/parts/cards";
import { useParts } from "./prices";

const CODES = [
  "absurd_price",
  "alias_removed",
  "alias_shadowed",
  "below_cost",
  "cache_write_1h_cheaper",
  "cache_write_1h_dearer",
  "cache_write_1h_missing",
  "cache_write_cheaper",
  "cached_dearer",
  "class_without_parent",
  "free_with_price",
  "model_removed",
  "negative_price",
  "output_cheaper",
  "output_only",
  "price_jump",
  "served_unpriced",
  "tier_cheaper",
  "zero_not_marked_free",
  "zero_output",
] as const;

export const useLint = (card: Card) =>
  useQuery({
    queryKey: ["get", "/api/rate-cards/{card_id}/lint", card.id, card.version],
    queryFn: () => data(api.GET("/api/rate-cards/{card_id}/lint", { params: { path: { card_id: card.id } } })),
  });

/** What looks wrong with a card, errors first. */
export function Lint({ card }: { card: Card }) {
  const { t } = useTranslation(["adminPrices", "common"]);
  const found = useLint(card);
  const listing = useParts([...(found.data?.items ?? [])], found, 100);
  return (
    <DataTable
      id="card-lint"
      caption={t("adminPrices:cardTabs.lint")}
      columns={[
        {
          key: "severity",
          header: t("adminPrices:lint.severity"),
          cell: (row) => (
            <Status tone={row.severity === "error" ? "bad" : "warn"}>{t(`adminPrices:lint.${row.severity}`)}</Status>
          ),
          csv: (row) => row.severity,
        },
        {
          key: "model",
          header: t("common:terms.model"),
          cell: (row) => (
            <Link
              to="/admin/prices/$cardId"
              params={{ cardId: card.id }}
              search={{ search: row.model }}
              className="tg-link"
            >
              {row.model}
            </Link>
          ),
          csv: (row) => row.model,
        },
        {
          key: "what",
          header: t("adminPrices:lint.what"),
          cell: (row) => {
            const code = CODES.find((each) => each === row.code);
            return code ? t(`adminPrices:lint.codes.${code}`) : row.code;
          },
          csv: (row) => row.code,
        },
        {
          key: "message",
          header: t("adminPrices:lint.detail"),
          cell: (row) => (
            <span lang="en" className="tg-dim">
              {row.message}
            </span>
          ),
          csv: (row) => row.message,
        },
      ]}
      listing={listing}
      rowId={(row) => `${row.model} ${row.code} ${row.message}`}
      empty={{ title: t("adminPrices:lint.empty"), text: t("adminPrices:lint.emptyText") }}
    />
  );
}
