import { Anchor, Group, Text } from "@mantine/core";
import { asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Empty } from "~/kit/Empty";
import { Id } from "~/kit/Id";
import { Page } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { useUrl } from "~/lib/url";
import { usePublicPrices } from "~/parts/account";
import { PriceList } from "~/parts/PriceList";
import { address, site } from "~/site";
import { publicPricesRoute } from "./routes";

export default function PublicPricesPage() {
  const { t } = useTranslation(["publicPrices", "prices"]);
  const [search, setSearch] = useUrl(publicPricesRoute);
  const prices = usePublicPrices();
  const isClosed = prices.error && asProblem(prices.error).status === 404;
  const models = prices.data && Object.entries(prices.data.models).map(([model, price]) => ({ model, price }));
  return (
    <Page title={t("publicPrices:title")} about={t("publicPrices:about")}>
      {isClosed ? (
        <Empty title={t("publicPrices:closed")} text={t("publicPrices:closedText")} />
      ) : (
        <>
          <PriceList
            id="prices"
            caption={t("publicPrices:title")}
            models={models}
            query={prices}
            currency={prices.data?.currency ?? site.currency}
            search={search}
            setSearch={setSearch}
          />
          {prices.data?.effective_from && (
            <Group gap="lg">
              <Text size="sm" c="dimmed">
                {t("publicPrices:since")} <Time at={prices.data.effective_from} form="full" />
              </Text>
              <Anchor size="sm" href={address("api/public/prices")}>
                {t("publicPrices:json")}
              </Anchor>
              <Group gap={4}>
                <Text size="sm" c="dimmed">
                  {t("publicPrices:hash")}
                </Text>
                <Id value={prices.data.sha256} />
              </Group>
            </Group>
          )}
          <Text size="sm" c="dimmed">
            {t("publicPrices:rule")}
          </Text>
        </>
      )}
    </Page>
  );
}
