import { Paper, Table, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Status } from "~/kit/Status";

/** What a careful operator does next, and how far they are. */
export function Next(props: { setup: Schema["SetupView"] }) {
  const { t } = useTranslation("publicWelcome");
  const { setup } = props;
  const items = [
    { text: t("next.channel"), done: setup.vendor_channels > 1, to: "/admin/channels" },
    { text: t("next.budget"), done: setup.budgets, to: "/admin/limits" },
    { text: t("next.invite"), done: setup.invitations > 0, to: "/admin/tenants" },
    { text: t("next.alerts"), done: setup.alerts, to: "/admin/alerts" },
    { text: t("next.backup"), done: null, to: null },
  ] as const;
  return (
    <Paper p="lg" component="section">
      <Title order={2}>{t("next.title")}</Title>
      <Table mt="xs" className="tg-table">
        <Table.Tbody>
          {items.map((item) => (
            <Table.Tr key={item.text}>
              <Table.Td>
                {item.to ? (
                  <Link to={item.to} className="tg-link">
                    {item.text}
                  </Link>
                ) : (
                  item.text
                )}
              </Table.Td>
              <Table.Td className="tg-narrow">
                <Status tone={item.done ? "good" : "quiet"}>
                  {item.done === null ? t("next.byHand") : item.done ? t("next.isDone") : t("next.isOpen")}
                </Status>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}
