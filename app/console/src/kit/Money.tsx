import { Tooltip } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { type Amount, exactMoney, isNegative, isZero, money } from "~/lib/format";
import { site } from "~/site";

/**
 * An amount. Shown with currency and up to six decimals; every digit in the tooltip. `to` makes it a link to its
 * entries, which every amount that has some should be. `null` is an amount that nobody knows, and is drawn as a dash.
 * In a column that is added up, `places` is the `placesOf` its amounts.
 */
export function Money(props: {
  value: Amount | null | undefined;
  currency?: string;
  signed?: boolean;
  to?: LinkProps;
  dim?: boolean;
  places?: number;
}) {
  const { t } = useTranslation("kit");
  if (props.value === null || props.value === undefined) return <span className="tg-money tg-dim">–</span>;
  const currency = props.currency ?? site.currency;
  const sign = props.signed && !isNegative(props.value) && !isZero(props.value) ? "+" : "";
  const text = sign + money(props.value, currency, props.places);
  const classes = `tg-money${isZero(props.value) || props.dim ? " tg-dim" : ""}`;
  return (
    <Tooltip label={t("exact", { value: exactMoney(props.value, currency) })}>
      {props.to ? (
        <Link {...props.to} className={`${classes} tg-link`}>
          {text}
        </Link>
      ) : (
        <span className={classes}>{text}</span>
      )}
    </Tooltip>
  );
}
