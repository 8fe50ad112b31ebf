import { Table } from "@mantine/core";
import type { ReactNode } from "react";

/** What is to be known of one thing, a line each. A line whose value is `null` is left out. */
export function Facts(props: { rows: (readonly [name: string, value: ReactNode])[] }) {
  return (
    <Table className="tg-facts" withRowBorders={false} verticalSpacing={4} horizontalSpacing={0}>
      <Table.Tbody>
        {props.rows
          .filter(([, value]) => value !== null && value !== undefined)
          .map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row">{name}</Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
      </Table.Tbody>
    </Table>
  );
}
