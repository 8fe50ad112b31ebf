import { Table } from "@mantine/core";
import { useTranslation } from "~/i18n/use";

export type Difference = { path: string; before: unknown; after: unknown };

/** Where two values differ, leaf by leaf; `null` stands for a thing that is not there. */
export function differences(before: unknown, after: unknown, path = ""): Difference[] {
  if (Object.is(before, after)) return [];
  const isTree = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
  if (isTree(before) && isTree(after) && Array.isArray(before) === Array.isArray(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => differences(before[key], after[key], path ? `${path}.${key}` : key));
  }
  if (isTree(after) && !Array.isArray(after) && (before === null || before === undefined))
    return Object.entries(after).flatMap(([key, value]) =>
      differences(undefined, value, path ? `${path}.${key}` : key),
    );
  if (isTree(before) && !Array.isArray(before) && (after === null || after === undefined))
    return Object.entries(before).flatMap(([key, value]) =>
      differences(value, undefined, path ? `${path}.${key}` : key),
    );
  return [{ path, before, after }];
}

const shown = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** What became of what, field by field. `ignore` leaves fields out that say nothing: version, updated_at. */
export function JsonDiff(props: { before: unknown; after: unknown; ignore?: string[] }) {
  const { t } = useTranslation("kit");
  const ignored = props.ignore ?? ["version", "updated_at"];
  const rows = differences(props.before, props.after).filter(
    (each) =>
      !ignored.includes(each.path) && !(each.before === undefined && (each.after === null || each.after === "")),
  );
  const value = (side: unknown) =>
    side === undefined || side === null || side === "" ? (
      <span className="tg-dim">{t("history.notSet")}</span>
    ) : (
      <code>{shown(side)}</code>
    );
  return (
    <div className="tg-diff">
      <Table withRowBorders={false}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("history.field")}</Table.Th>
            <Table.Th>{t("history.before")}</Table.Th>
            <Table.Th>{t("history.after")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((each) => (
            <Table.Tr key={each.path}>
              <Table.Td>
                <code>{each.path}</code>
              </Table.Td>
              <Table.Td className="tg-before">{value(each.before)}</Table.Td>
              <Table.Td className="tg-after">{value(each.after)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
