import { Kbd, Modal, Table } from "@mantine/core";
import { useTranslation } from "~/i18n/use";
import { type NavEntry, useTitle } from "~/nav";

/** What the keys do. */
export default function KeyboardHelp(props: { entries: readonly NavEntry[]; onClose: () => void }) {
  const { t } = useTranslation("shell");
  const titleOf = useTitle();
  return (
    <Modal opened onClose={props.onClose} title={t("help.title")}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("help.key")}</Table.Th>
            <Table.Th>{t("help.does")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {(
            [
              ["/", t("help.search")],
              ["x", t("help.compare")],
              ["?", t("help.help")],
              ["g", t("help.go")],
            ] as const
          ).map(([key, text]) => (
            <Table.Tr key={key}>
              <Table.Td>
                <Kbd>{key}</Kbd>
              </Table.Td>
              <Table.Td>{text}</Table.Td>
            </Table.Tr>
          ))}
          {props.entries.map((entry) => (
            <Table.Tr key={entry.to}>
              <Table.Td>
                <Kbd>g</Kbd> <Kbd>{entry.letter}</Kbd>
              </Table.Td>
              <Table.Td>{titleOf(entry)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
