import { ActionIcon, Button, Checkbox, Group, Menu, Paper, Table, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import { memo, type ReactNode, useMemo, useState } from "react";
import type { Listing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Cell, saveCsv } from "~/lib/csv";
import { dateTime } from "~/lib/format";
import { recallJson, remember } from "~/lib/storage";
import { Empty, type EmptyState } from "./Empty";
import { Failure } from "./Failure";
import { Icon } from "./Icon";
import { Pending, useLate } from "./Pending";
import { Scroll } from "./Scroll";
import { useZone } from "./Time";

export type Column<Row> = {
  key: string;
  header: string;
  cell: (row: Row) => ReactNode;
  /** What stands in the CSV; a column without it is left out there. */
  csv?: (row: Row) => Cell;
  /** The API's name for sorting by this column, without a `-`. */
  sort?: string;
  /** Figures stand at the right, their digits under one another. */
  numeric?: boolean;
  /** Not shown until somebody chooses the column. */
  hidden?: boolean;
  /** Stays when columns are chosen. */
  fixed?: boolean;
  /** A tooltip on the header. */
  hint?: string;
};

export type Selection = { chosen: ReadonlySet<string>; onChange: (chosen: Set<string>) => void };

export type DataTableProps<Row> = {
  /** Names the table in the browser's memory of columns and density, and the CSV file. */
  id: string;
  /** What the table is, for who hears it. */
  caption: string;
  columns: Column<Row>[];
  listing: Listing<Row>;
  rowId: (row: Row) => string;
  /** Where the row leads: its page, or this page with a side panel. The first column becomes the link. */
  rowLink?: ((row: Row) => LinkProps) | undefined;
  /** The row whose panel is open. */
  openId?: string;
  /** As the API takes it: "name", "-created_at". */
  sort?: string;
  onSort?: (sort: string | undefined) => void;
  selection?: Selection;
  /** What to do with the selected rows. */
  bulk?: ReactNode;
  /** What may be done with one row: the last column. */
  rowActions?: (row: Row) => ReactNode;
  filters?: ReactNode;
  /** Whether filters narrow the list, for the empty state; `onClear` takes them away. */
  filtered?: boolean;
  onClear?: () => void;
  empty?: EmptyState;
  /** The API's own export of the filtered rows, all of them: an address. Without it the rows loaded are saved. */
  exportUrl?: string;
  toolbar?: ReactNode;
  /** A row that is the sum of the others, under them. */
  footer?: Partial<Record<string, ReactNode>>;
  /** Without the bar above: a small table on a page of its own figures. */
  plain?: boolean;
};

type Density = "comfortable" | "compact";

/** Every list of the console. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const { t } = useTranslation(["kit", "common"]);
  const [shownKeys, setShownKeys] = useState<string[] | null>(() => recallJson(`columns.${props.id}`, null));
  const [density, setDensity] = useState<Density>(() => recallJson("density", "compact"));
  const { listing } = props;
  const zone = useZone();
  const late = useLate(listing.loading);
  const isShown = (column: Column<Row>) =>
    column.fixed || (shownKeys ? shownKeys.includes(column.key) : !column.hidden);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is shown is known by the chosen keys.
  const columns = useMemo(() => props.columns.filter(isShown), [props.columns, shownKeys]);
  const ids = listing.rows.map(props.rowId);

  const toggleColumn = (column: Column<Row>) => {
    const now = props.columns.filter(isShown).map((each) => each.key);
    const next = now.includes(column.key) ? now.filter((key) => key !== column.key) : [...now, column.key];
    setShownKeys(next);
    remember(`columns.${props.id}`, JSON.stringify(next));
  };
  const chooseDensity = (next: Density) => {
    setDensity(next);
    remember("density", JSON.stringify(next));
  };
  const saveRows = () => {
    const saved = columns.flatMap((column) => (column.csv ? [{ header: column.header, csv: column.csv }] : []));
    saveCsv(
      props.id,
      saved.map((column) => column.header),
      listing.rows.map((row) => saved.map((column) => column.csv(row))),
    );
  };

  const selection = props.selection;
  const toggleRow = (id: string) => {
    if (!selection) return;
    const next = new Set(selection.chosen);
    if (!next.delete(id)) next.add(id);
    selection.onChange(next);
  };
  const chosenHere = selection ? ids.filter((id) => selection.chosen.has(id)).length : 0;

  return (
    <Paper className="tg-table-card" p={0}>
      {!props.plain && (
        <div className="tg-table-bar tg-noprint">
          <div className="tg-table-filters">{props.filters}</div>
          <Group gap={6} wrap="nowrap" className="tg-table-tools">
            {props.toolbar}
            {props.columns.some((column) => column.csv) || props.exportUrl ? (
              <Tooltip
                label={
                  props.exportUrl ? t("kit:table.csvHint") : t("kit:table.csvLoaded", { count: listing.rows.length })
                }
              >
                {props.exportUrl ? (
                  <Button
                    component="a"
                    href={props.exportUrl}
                    download
                    variant="default"
                    size="xs"
                    leftSection={<Icon name="download" size={14} />}
                  >
                    {t("kit:table.csv")}
                  </Button>
                ) : (
                  <Button
                    variant="default"
                    size="xs"
                    onClick={saveRows}
                    disabled={listing.rows.length === 0}
                    leftSection={<Icon name="download" size={14} />}
                  >
                    {t("kit:table.csv")}
                  </Button>
                )}
              </Tooltip>
            ) : null}
            <Menu closeOnItemClick={false} position="bottom-end">
              <Menu.Target>
                <Tooltip label={t("kit:table.columns")}>
                  <ActionIcon variant="default" size={30} aria-label={t("kit:table.columns")}>
                    <Icon name="columns" />
                  </ActionIcon>
                </Tooltip>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Label>{t("kit:table.columns")}</Menu.Label>
                {props.columns.map((column) => (
                  <Menu.CheckboxItem
                    key={column.key}
                    disabled={column.fixed}
                    checked={isShown(column)}
                    onChange={() => toggleColumn(column)}
                  >
                    {column.header}
                  </Menu.CheckboxItem>
                ))}
                <Menu.Divider />
                <Menu.Label>{t("kit:table.density")}</Menu.Label>
                {(["comfortable", "compact"] as const).map((each) => (
                  <Menu.RadioItem
                    key={each}
                    value={each}
                    checked={density === each}
                    onChange={() => chooseDensity(each)}
                  >
                    {t(`kit:table.${each}`)}
                  </Menu.RadioItem>
                ))}
              </Menu.Dropdown>
            </Menu>
            <Tooltip label={t("common:refresh")}>
              <ActionIcon
                variant="default"
                size={30}
                aria-label={t("common:refresh")}
                onClick={listing.reload}
                loading={listing.fetching && !listing.loading}
              >
                <Icon name="refresh" />
              </ActionIcon>
            </Tooltip>
          </Group>
        </div>
      )}
      {selection && selection.chosen.size > 0 && (
        <Group className="tg-table-bulk" gap="sm">
          <Text size="sm" fw={600}>
            {t("kit:table.selected", { count: selection.chosen.size })}
          </Text>
          {props.bulk}
          <Button size="xs" variant="subtle" onClick={() => selection.onChange(new Set())}>
            {t("common:cancel")}
          </Button>
        </Group>
      )}
      {listing.problem && listing.rows.length === 0 ? (
        <div className="tg-table-note">
          <Failure problem={listing.problem} onRetry={listing.reload} />
        </div>
      ) : listing.loading ? (
        <div className="tg-table-note" aria-busy="true">
          {listing.lookedTo ? (
            <Text size="sm" c="dimmed" role="status">
              {t("kit:table.lookedTo", { time: dateTime(listing.lookedTo, zone) })}
            </Text>
          ) : (
            late && <Pending rows={5} />
          )}
        </div>
      ) : listing.rows.length === 0 && !listing.hasMore ? (
        <div className="tg-table-note">
          {props.filtered ? (
            <Empty title={t("kit:table.emptyFiltered")}>
              {props.onClear && (
                <Button variant="default" size="xs" onClick={props.onClear}>
                  {t("kit:table.clearFilters")}
                </Button>
              )}
            </Empty>
          ) : (
            <Empty title={props.empty?.title ?? t("kit:table.empty")} {...props.empty} />
          )}
        </div>
      ) : (
        <Scroll label={props.caption}>
          <Table className="tg-table" data-density={density} highlightOnHover stickyHeader={!props.plain}>
            <Table.Caption className="tg-hidden">{props.caption}</Table.Caption>
            <Table.Thead>
              <Table.Tr>
                {selection && (
                  <Table.Th className="tg-narrow">
                    <Checkbox
                      size="xs"
                      aria-label={t("kit:table.selectAll")}
                      checked={ids.length > 0 && chosenHere === ids.length}
                      indeterminate={chosenHere > 0 && chosenHere < ids.length}
                      onChange={(event) => selection.onChange(new Set(event.currentTarget.checked ? ids : []))}
                    />
                  </Table.Th>
                )}
                {columns.map((column) => (
                  <HeaderCell key={column.key} column={column} sort={props.sort} onSort={props.onSort} />
                ))}
                {props.rowActions && (
                  <Table.Th className="tg-narrow">
                    <span className="tg-hidden">{t("kit:actions")}</span>
                  </Table.Th>
                )}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {listing.rows.map((row) => {
                const id = props.rowId(row);
                return (
                  <Row
                    key={id}
                    row={row}
                    id={id}
                    columns={columns}
                    isOpen={props.openId === id}
                    chosen={selection?.chosen.has(id)}
                    onToggle={toggleRow}
                    link={props.rowLink}
                    actions={props.rowActions}
                  />
                );
              })}
            </Table.Tbody>
            {props.footer && (
              <Table.Tfoot>
                <Table.Tr>
                  {selection && <Table.Td />}
                  {columns.map((column) => (
                    <Table.Td key={column.key} className={column.numeric ? "tg-num" : undefined}>
                      {props.footer?.[column.key]}
                    </Table.Td>
                  ))}
                  {props.rowActions && <Table.Td />}
                </Table.Tr>
              </Table.Tfoot>
            )}
          </Table>
        </Scroll>
      )}
      {listing.problem && listing.rows.length > 0 && (
        <div className="tg-table-note">
          <Failure problem={listing.problem} onRetry={listing.more} compact />
        </div>
      )}
      {!props.plain && (listing.rows.length > 0 || listing.hasMore) && (
        <Group justify="space-between" className="tg-table-foot tg-noprint">
          <Text size="xs" c="dimmed" aria-live="polite">
            {listing.hasMore
              ? t("kit:table.loadedMore", { count: listing.rows.length })
              : t("kit:table.loaded", { count: listing.rows.length })}
          </Text>
          {listing.hasMore && (
            <Button size="xs" variant="default" onClick={listing.more} loading={listing.fetching}>
              {t("kit:table.loadMore")}
            </Button>
          )}
        </Group>
      )}
    </Paper>
  );
}

type RowProps<R> = {
  row: R;
  id: string;
  columns: readonly Column<R>[];
  isOpen: boolean;
  /** Whether it is selected; undefined where rows cannot be. */
  chosen: boolean | undefined;
  onToggle: (id: string) => void;
  link: ((row: R) => LinkProps) | undefined;
  actions: ((row: R) => ReactNode) | undefined;
};

function PlainRow<R>(props: RowProps<R>) {
  const { t } = useTranslation("kit");
  const { row, id } = props;
  return (
    <Table.Tr data-open={props.isOpen || undefined}>
      {props.chosen !== undefined && (
        <Table.Td className="tg-narrow">
          <Checkbox
            size="xs"
            aria-label={`${t("table.selectRow")} ${id}`}
            checked={props.chosen}
            onChange={() => props.onToggle(id)}
          />
        </Table.Td>
      )}
      {props.columns.map((column, index) => (
        <Table.Td key={column.key} className={column.numeric ? "tg-num" : undefined}>
          {index === 0 && props.link ? (
            <Link {...props.link(row)} className="tg-row-link">
              {column.cell(row)}
            </Link>
          ) : (
            column.cell(row)
          )}
        </Table.Td>
      ))}
      {props.actions && <Table.Td className="tg-narrow tg-actions">{props.actions(row)}</Table.Td>}
    </Table.Tr>
  );
}

/**
 * A row that is drawn again only for other data, columns or actions: each part more of a long list costs what is in it,
 * and not what was there before.
 */
const Row = memo(
  PlainRow,
  (before, after) =>
    before.row === after.row &&
    before.columns === after.columns &&
    before.isOpen === after.isOpen &&
    // What they do is known by the row alone only where they are the same.
    before.actions === after.actions &&
    before.link === after.link &&
    before.chosen === undefined &&
    after.chosen === undefined,
) as typeof PlainRow;

function HeaderCell<Row>(props: {
  column: Column<Row>;
  sort: string | undefined;
  onSort: ((sort: string | undefined) => void) | undefined;
}) {
  const { t } = useTranslation("kit");
  const { column, sort, onSort } = props;
  const classes = column.numeric ? "tg-num" : undefined;
  const name = column.hint ? (
    <Tooltip label={column.hint} multiline maw={280}>
      <span className="tg-hinted">{column.header}</span>
    </Tooltip>
  ) : (
    column.header
  );
  if (!column.sort || !onSort) return <Table.Th className={classes}>{name}</Table.Th>;
  const state = sort === column.sort ? "ascending" : sort === `-${column.sort}` ? "descending" : "none";
  const next = state === "ascending" ? `-${column.sort}` : state === "descending" ? undefined : column.sort;
  return (
    <Table.Th className={classes} aria-sort={state}>
      <UnstyledButton
        className="tg-sort"
        onClick={() => onSort(next)}
        title={t("table.sortBy", { column: column.header })}
      >
        {name}
        <Icon name={state === "descending" ? "down" : "up"} size={12} />
      </UnstyledButton>
    </Table.Th>
  );
}
