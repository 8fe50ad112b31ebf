import { useTranslation } from "~/i18n/use";
import { Status } from "~/kit/Status";
import { type CardSummary, cardAt } from "~/parts/cards";

/** What a card is good for, in a word: of each series one is in force. */
export function CardState(props: { card: CardSummary; cards: readonly CardSummary[] }) {
  const { t } = useTranslation("adminPrices");
  const { card } = props;
  if (card.archived) return <Status tone="quiet">{t("states.archived")}</Status>;
  if (!card.published) return <Status tone="info">{t("states.draft")}</Status>;
  if (Date.parse(card.effective_from) > Date.now()) return <Status tone="warn">{t("states.scheduled")}</Status>;
  const rivals = props.cards.filter(
    (each) => each.use === card.use && (card.use === "sale" || each.series_id === card.series_id),
  );
  return cardAt(rivals)?.id === card.id ? (
    <Status tone="good">{t("states.holds")}</Status>
  ) : (
    <Status tone="quiet">{t("states.past")}</Status>
  );
}
