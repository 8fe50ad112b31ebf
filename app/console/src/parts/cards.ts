import { useQuery } from "@tanstack/react-query";
import { api, data, type Schema } from "~/api/client";

export type Card = Schema["CardView"];
export type CardSummary = Schema["CardSummaryView"];

export const readCard = (id: string): Promise<Card> =>
  data(api.GET("/api/rate-cards/{card_id}", { params: { path: { card_id: id } } }));

/** The cards of a use, the newest first: five hundred are years of price changes. */
export const useCards = (use?: "sale" | "cost") =>
  useQuery({
    queryKey: ["get", "/api/rate-cards", "all", use],
    queryFn: async () => (await data(api.GET("/api/rate-cards", { params: { query: { use, limit: 500 } } }))).items,
  });

export const useCard = (id: string | undefined) =>
  useQuery({
    queryKey: ["get", "/api/rate-cards/{card_id}", id],
    queryFn: () => readCard(id as string),
    enabled: id !== undefined,
  });

/** The card that holds at a moment: the published one that became effective last. Of two at once, the higher version. */
export function cardAt(cards: readonly CardSummary[], at = Date.now()): CardSummary | undefined {
  return cards
    .filter((each) => each.published && !each.archived && Date.parse(each.effective_from) <= at)
    .sort(
      (one, other) =>
        Date.parse(other.effective_from) - Date.parse(one.effective_from) || other.card_version - one.card_version,
    )[0];
}

/** The models that the card in force has prices for, aliases among them; undefined until that is known. */
export function usePricesInForce(use: "sale" | "cost"): Set<string> | undefined {
  const cards = useCards(use).data;
  const card = useCard(cards && cardAt(cards)?.id).data;
  if (cards && !cardAt(cards)) return new Set();
  return card && new Set([...Object.keys(card.models), ...Object.keys(card.aliases)]);
}
