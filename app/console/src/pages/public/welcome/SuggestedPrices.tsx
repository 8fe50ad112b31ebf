import { Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Money } from "~/kit/Money";
import { Scroll } from "~/kit/Scroll";
import { Status } from "~/kit/Status";

/** What the chosen models cost by the card in force, for a look before they are offered to anybody. */
export function SuggestedPrices(props: { models: string[] }) {
  const { t } = useTranslation("publicWelcome");
  const prices = useQuery({
    queryKey: ["get", "/api/public/prices"],
    queryFn: () => data(api.GET("/api/public/prices")),
  }).data;
  if (!prices || props.models.length === 0) return null;
  const unpriced = props.models.filter((model) => !(model in prices.models)).length;
  return (
    <div>
      <Text fw={600} size="sm">
        {t("vendor.prices")}
      </Text>
      <Text size="sm" c="dimmed" mb="xs">
        {t("vendor.pricesAbout")}
      </Text>
      <Scroll label={t("vendor.prices")}>
        <Table className="tg-table" data-density="compact">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("vendor.model")}</Table.Th>
              <Table.Th className="tg-num">{t("vendor.input")}</Table.Th>
              <Table.Th className="tg-num">{t("vendor.output")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {props.models.map((model) => {
              const price = prices.models[model];
              return (
                <Table.Tr key={model}>
                  <Table.Td>{model}</Table.Td>
                  {price ? (
                    <>
                      <Table.Td className="tg-num">
                        <Money value={price.input} currency={prices.currency} />
                      </Table.Td>
                      <Table.Td className="tg-num">
                        <Money value={price.output} currency={prices.currency} />
                      </Table.Td>
                    </>
                  ) : (
                    <Table.Td colSpan={2} className="tg-num">
                      <Status tone="warn">{t("vendor.noPrice")}</Status>
                    </Table.Td>
                  )}
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Scroll>
      {unpriced > 0 && (
        <Text size="sm" mt="xs">
          {t("vendor.unpriced", { count: unpriced })}
        </Text>
      )}
    </div>
  );
}
