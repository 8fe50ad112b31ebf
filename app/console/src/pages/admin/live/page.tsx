import { Button, Group, Menu, Modal, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useRouter } from "@tanstack/react-router";
import { memo, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { queryClient } from "~/api/client";
import type { ApiProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Chart, Sparkline } from "~/kit/Chart";
import { Empty } from "~/kit/Empty";
import { Failure } from "~/kit/Failure";
import { Icon } from "~/kit/Icon";
import { Page } from "~/kit/Page";
import { Pending } from "~/kit/Pending";
import { Stat } from "~/kit/Stat";
import { Status, type Tone } from "~/kit/Status";
import { useZone } from "~/kit/Time";
import { count, dateTime, decimal, milliseconds, money, timeOfDay } from "~/lib/format";
import { recallJson, remember } from "~/lib/storage";
import { useUrl } from "~/lib/url";
import { LogPanel } from "~/parts/LogPanel";
import {
  chargeOf,
  duration,
  inputTokens,
  LogFilters,
  type LogNames,
  type LogRow,
  modelsOf,
  outputTokens,
  useLogNames,
} from "~/parts/log";
import { filtersOf, type LogSearch, noFilters } from "~/parts/logSearch";
import { RequestState } from "~/parts/Receipt";
import { address } from "~/site";
import { LATENCY_ENDS, LiveLog, RATE_SECONDS, type Shown } from "./liveLog";
import { followed, lastRows } from "./questions";
import { adminLiveRoute } from "./routes";
import { type Connection, follow } from "./stream";

/** What a row is high, as console styles say. */
const ROW_HEIGHT = 28;
/** The list is 640 px high at most, and a few rows are drawn beyond its edges. */
const ROWS_BEYOND = 6;
const ROWS_DRAWN = Math.ceil(640 / ROW_HEIGHT) + 2 * ROWS_BEYOND;
const HISTOGRAM_MILLISECONDS = 5000;
const ANNOUNCE_MILLISECONDS = 10_000;

export default function AdminLivePage() {
  const { t } = useTranslation(["adminLive", "common"]);
  const [search, setSearch] = useUrl(adminLiveRoute);
  const names = useLogNames();
  const [still, setStill] = useState<LiveLog | null>(null);
  const filters = filtersOf(search);
  const asked = followed(search);
  // Other filters are another log.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the filters are what makes it another.
  const log = useMemo(() => new LiveLog(), [asked]);
  const [state, problem, begun, retry] = useConnection(log, asked);
  // What stands still is the page: the log goes on behind it, so that one sees how much came.
  const paused = still === log;
  return (
    <Page
      title={t("adminLive:title")}
      about={t("adminLive:about")}
      bar={{}}
      actions={
        <>
          <ConnectionState state={paused ? "paused" : state} />
          <PauseButton
            log={log}
            paused={paused}
            onChange={(next) => {
              log.pause(next);
              setStill(next ? log : null);
            }}
          />
        </>
      }
    >
      <Figures log={log} paused={paused} />
      {problem && state === "refused" && <Failure problem={problem} onRetry={retry} />}
      <Paper p={0} className="tg-table-card">
        <div className="tg-table-bar">
          <div className="tg-table-filters">
            <LogFilters search={search} onChange={setSearch} names={names} />
          </div>
          <SavedFilters
            filters={filters}
            onChoose={(saved) => setSearch({ ...noFilters(), ...saved, row: undefined })}
          />
        </div>
        <Rows
          key={asked}
          log={log}
          names={names}
          openId={search.row}
          begun={begun}
          waiting={state === "connecting" || state === "live"}
          paused={paused}
        />
      </Paper>
      <Announcer log={log} paused={paused} />
      <Beside log={log} rowId={search.row} onClose={() => setSearch({ row: undefined })} keyName={names.keys.nameOf} />
    </Page>
  );
}

/** What the log holds. Only what shows rows asks: the rest of the page is not drawn again for each that comes. */
const useShown = (log: LiveLog): Shown => useSyncExternalStore(log.subscribe, log.snapshot);

/** The row that is open, beside the log. */
function Beside(props: {
  log: LiveLog;
  rowId: string | undefined;
  onClose: () => void;
  keyName: (id: string) => string;
}) {
  const { log, rowId } = props;
  // It stays the same row while others come.
  const row = useSyncExternalStore(log.subscribe, () => log.snapshot().rows.find((each) => each.id === rowId));
  return <LogPanel rowId={rowId} row={row} onClose={props.onClose} keyName={props.keyName} />;
}

function PauseButton(props: { log: LiveLog; paused: boolean; onChange: (paused: boolean) => void }) {
  const { t } = useTranslation("adminLive");
  const { log, paused } = props;
  const behind = useSyncExternalStore(log.subscribe, log.behind);
  return (
    <Button
      variant="default"
      size="xs"
      aria-pressed={paused}
      leftSection={<Icon name={paused ? "play" : "pause"} size={14} />}
      onClick={() => props.onChange(!paused)}
    >
      {!paused ? t("pause") : behind === 0 ? t("resume") : t("resumeWith", { count: behind, text: count(behind) })}
    </Button>
  );
}

/** Fill the log with what was last, then follow it. */
function useConnection(log: LiveLog, asked: string) {
  const [state, setState] = useState<Connection>("connecting");
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [round, setRound] = useState(0);
  // Whose last rows are there, or cannot be had: until then, that there are none would be a guess.
  const [begun, setBegun] = useState<LiveLog | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` is another try of the same.
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const begin = async () => {
      if (log.last === undefined) {
        try {
          const rows = await queryClient.fetchQuery(lastRows(asked));
          if (signal.aborted) return;
          log.push([...rows].reverse());
        } catch {
          // The stream asks the same, and tells what is wrong with it.
        }
        if (signal.aborted) return;
        setBegun(log);
      }
      await follow({
        url: address(`api/reports/requests/live?${asked}`),
        last: () => log.last,
        signal,
        onRows: (rows) => log.push(rows),
        onState: (next, failure) => {
          if (signal.aborted) return;
          setState(next);
          setProblem(failure ?? null);
        },
      });
    };
    void begin();
    return () => stop.abort();
  }, [log, asked, round]);
  return [state, problem, begun === log, () => setRound((before) => before + 1)] as const;
}

const TONES: Record<Connection | "paused", Tone> = {
  connecting: "info",
  live: "good",
  lost: "warn",
  refused: "bad",
  paused: "quiet",
};

function ConnectionState(props: { state: Connection | "paused" }) {
  const { t } = useTranslation("adminLive");
  return (
    <span role="status">
      <Status tone={TONES[props.state]}>{t(`states.${props.state}`)}</Status>
    </span>
  );
}

/** Rate and durations, drawn anew each second and no oftener. */
function Figures({ log, paused }: { log: LiveLog; paused: boolean }) {
  const { t } = useTranslation("adminLive");
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (paused) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [paused]);
  const rate = log.rate(now);
  const minute = rate.reduce((sum, each) => sum + each, 0);
  // A drawing with axes costs more than all rows: it follows more slowly, and at once only to its first figures.
  const histogram = log.histogram();
  const isFirst = !histogram.some((each) => each > 0);
  const signature = isFirst ? "" : String(Math.floor(now / HISTOGRAM_MILLISECONDS));
  const shown = log.snapshot();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the chart is drawn again only for other figures.
  const chart = useMemo(() => {
    const name = (index: number) => {
      const from = LATENCY_ENDS[index - 1];
      const to = LATENCY_ENDS[index];
      if (from === undefined) return t("below", { to: milliseconds(to as number) });
      if (to === undefined) return t("above", { from: milliseconds(from) });
      return t("between", { from: milliseconds(from), to: milliseconds(to) });
    };
    return (
      <Chart
        title={t("latency")}
        unit={t("requestsUnit")}
        kind="bars"
        categories
        points={
          histogram.some((each) => each > 0)
            ? histogram.map((n, index) => ({ at: name(index), values: { requests: n } }))
            : []
        }
        series={[{ key: "requests", label: t("requestsUnit"), color: "var(--tg-series-1)" }]}
        format={(figure) => count(Number(figure))}
        height={120}
      />
    );
  }, [signature, t]);
  return (
    <div className="tg-live-figures">
      <Stack gap="sm">
        <Stat
          label={t("rate")}
          value={t("perSecond", { text: decimal((minute / RATE_SECONDS).toFixed(1)) })}
          note={
            <>
              <Sparkline figures={rate} width={200} height={32} />
              <div>{t("minute", { count: minute, text: count(minute) })}</div>
            </>
          }
        />
        <Stat
          label={t("seen")}
          value={count(shown.total)}
          note={t("failed", { count: shown.failed, text: count(shown.failed) })}
        />
      </Stack>
      {chart}
    </div>
  );
}

const COLUMNS = ["time", "status", "tenant", "key", "model", "channel", "tries", "in", "cached", "out"] as const;
const FIGURES = ["first", "total", "charge"] as const;
const KEYS = [...COLUMNS, ...FIGURES];
const NUMERIC = new Set<string>(["tries", "in", "cached", "out", ...FIGURES]);

/** The rows that are in sight, of all that there are. Whoever scrolls down reads on undisturbed. */
function Rows(props: {
  log: LiveLog;
  names: LogNames;
  openId: string | undefined;
  begun: boolean;
  waiting: boolean;
  paused: boolean;
}) {
  const { t } = useTranslation("adminLive");
  const zone = useZone();
  const frame = useRef<HTMLDivElement>(null);
  const shown = useShown(props.log);
  // What is looked at while new rows do not come in; null follows them.
  const [held, setHeld] = useState<Shown | null>(null);
  const [first, setFirst] = useState(0);
  const { rows, total } = held ?? shown;
  const [linkOf, open] = useRowLinks();
  const fresh = shown.total - total;
  const toTop = () => {
    setHeld(null);
    frame.current?.scrollTo({ top: 0 });
  };
  return (
    <>
      <Group className="tg-table-bulk" justify="space-between" mih={40}>
        <Text size="xs">{t("kept", { count: rows.length, text: count(rows.length) })}</Text>
        {/* Where all stands still there is nothing to follow. */}
        {!props.paused && (
          <Button
            size="compact-xs"
            variant={held && fresh > 0 ? "filled" : "default"}
            aria-pressed={held === null}
            leftSection={<Icon name={held ? "up" : "check"} size={12} />}
            onClick={() => (held ? toTop() : setHeld(shown))}
          >
            {held && fresh > 0 ? t("fresh", { count: fresh, text: count(fresh) }) : t("follow")}
          </Button>
        )}
      </Group>
      {rows.length === 0 ? (
        <div className="tg-table-note">
          {!props.begun ? (
            <Pending />
          ) : (
            <Empty title={props.waiting ? t("emptyTitle") : t("nothing")} text={t("emptyText")} />
          )}
        </div>
      ) : (
        <section
          ref={frame}
          className="tg-live"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard.
          tabIndex={0}
          aria-label={t("title")}
          onScroll={(event) => {
            const top = event.currentTarget.scrollTop;
            if (top > ROW_HEIGHT && held === null) setHeld(shown);
            if (top === 0 && held !== null) setHeld(null);
            setFirst(Math.max(0, Math.floor(top / ROW_HEIGHT) - ROWS_BEYOND));
          }}
        >
          {/* biome-ignore lint/a11y/useSemanticElements: rows of a real table cannot be placed one by one. */}
          <div role="table" aria-label={t("title")} aria-rowcount={rows.length + 1} className="tg-live-table">
            {/* biome-ignore lint/a11y/useSemanticElements: as above. */}
            <div role="rowgroup" className="tg-live-head">
              {/* biome-ignore lint/a11y: as above. */}
              <div role="row" className="tg-live-row" aria-rowindex={1}>
                {KEYS.map((key) => (
                  // biome-ignore lint/a11y: as above.
                  <div
                    key={key}
                    role="columnheader"
                    className={NUMERIC.has(key) ? "tg-num" : undefined}
                    title={t(`columns.${key}`)}
                  >
                    {t(`heads.${key}`)}
                  </div>
                ))}
              </div>
            </div>
            {/* biome-ignore lint/a11y/useSemanticElements: as above. */}
            <div role="rowgroup" className="tg-live-body" style={{ height: rows.length * ROW_HEIGHT }}>
              {rows.slice(first, first + ROWS_DRAWN).map((row, at) => (
                <Row
                  // By its place: what is drawn there stays, and shows another row. Rows do not move while they are held.
                  // biome-ignore lint/suspicious/noArrayIndexKey: as above.
                  key={first + at}
                  row={row}
                  index={first + at}
                  names={props.names}
                  zone={zone}
                  isOpen={row.id === props.openId}
                  linkOf={linkOf}
                  onOpen={open}
                />
              ))}
            </div>
          </div>
        </section>
      )}
    </>
  );
}

const ROW_HERE = "row-of-the-log";

/** Where a row leads, and how to go there. The address is made once: hundreds of rows a second differ in one word of it. */
function useRowLinks(): readonly [(id: string) => string, (id: string) => void] {
  const router = useRouter();
  const [search, setSearch] = useUrl(adminLiveRoute);
  const toRow = useRef(setSearch);
  toRow.current = setSearch;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another search is another address.
  const [before, after] = useMemo(() => {
    const place = router.buildLocation({ to: ".", search: ((old: object) => ({ ...old, row: ROW_HERE })) as never });
    return router.history.createHref(place.publicHref).split(ROW_HERE);
  }, [router, search]);
  const linkOf = useCallback((id: string) => `${before}${id}${after}`, [before, after]);
  const open = useCallback((id: string) => toRow.current({ row: id }, { push: true }), []);
  return [linkOf, open];
}

/** What a cell may have to cut off: then the whole is in its tooltip. */
const CUT = new Set<string>(["tenant", "key", "model", "channel"]);

const Row = memo(
  function Row(props: {
    row: LogRow;
    index: number;
    names: LogNames;
    zone: string;
    isOpen: boolean;
    linkOf: (id: string) => string;
    onOpen: (id: string) => void;
  }) {
    const { row, names } = props;
    const charge = chargeOf(row);
    const some = (value: number) => (value === 0 ? "–" : count(value));
    const cells = [
      <a
        key="time"
        href={props.linkOf(row.id)}
        className="tg-row-link"
        title={dateTime(row.at, props.zone)}
        onClick={(event) => {
          if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
          event.preventDefault();
          props.onOpen(row.id);
        }}
      >
        {timeOfDay(row.at, props.zone)}
      </a>,
      <RequestState key="state" state={row.state} />,
      names.tenants.nameOf(row.tenant_id),
      names.keys.nameOf(row.token_id) || "–",
      modelsOf(row) || "–",
      row.code && row.state === "refused" ? row.code : names.channels.nameOf(row.channel_id) || "–",
      row.attempts || "–",
      some(inputTokens(row)),
      some(row.cached_input_tokens),
      some(outputTokens(row)),
      duration(row.first_byte_milliseconds),
      duration(row.latency_milliseconds),
      charge === null ? "–" : money(charge),
    ];
    return (
      // biome-ignore lint/a11y: rows of a real table cannot be placed one by one.
      <div
        role="row"
        aria-rowindex={props.index + 2}
        className="tg-live-row"
        data-open={props.isOpen || undefined}
        style={{ transform: `translateY(${props.index * ROW_HEIGHT}px)` }}
      >
        {cells.map((cell, index) => {
          const key = KEYS[index] as string;
          return (
            // biome-ignore lint/a11y: as above.
            <div
              key={key}
              role="cell"
              className={NUMERIC.has(key) ? "tg-num" : undefined}
              title={CUT.has(key) && typeof cell === "string" ? cell : undefined}
            >
              {cell}
            </div>
          );
        })}
      </div>
    );
  },
  (before, after) =>
    before.row === after.row &&
    before.index === after.index &&
    before.zone === after.zone &&
    before.isOpen === after.isOpen &&
    before.linkOf === after.linkOf &&
    before.names.tenants.tenants === after.names.tenants.tenants &&
    before.names.keys.rows === after.names.keys.rows &&
    before.names.channels.rows === after.names.channels.rows,
);

/** Say now and then, to whoever does not see it, how much came; after a pause at once. */
function Announcer({ log, paused }: { log: LiveLog; paused: boolean }) {
  const { t } = useTranslation("adminLive");
  const [said, setSaid] = useState("");
  const told = useRef<{ log: LiveLog; shown: Shown } | null>(null);
  useEffect(() => {
    // What stands there while it is paused can be read; what comes from there on is news.
    let before = told.current?.log === log ? told.current.shown : log.snapshot();
    told.current = paused ? { log, shown: log.snapshot() } : null;
    if (paused) return;
    const tell = () => {
      const now = log.snapshot();
      const fresh = now.total - before.total;
      if (fresh > 0)
        setSaid(t("announce", { count: fresh, text: count(fresh), failed: count(now.failed - before.failed) }));
      before = now;
    };
    tell();
    const timer = setInterval(tell, ANNOUNCE_MILLISECONDS);
    return () => clearInterval(timer);
  }, [t, log, paused]);
  return (
    <div className="tg-hidden" aria-live="polite">
      {said}
    </div>
  );
}

type Saved = { name: string; filters: LogSearch };

/** Filters by name, in this browser. */
function SavedFilters(props: { filters: LogSearch; onChoose: (filters: LogSearch) => void }) {
  const { t } = useTranslation(["adminLive", "common"]);
  const [saved, setSaved] = useState<Saved[]>(() => recallJson("live-filters", []));
  const [name, setName] = useState<string | null>(null);
  const keep = (next: Saved[]) => {
    setSaved(next);
    remember("live-filters", JSON.stringify(next));
  };
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" size="xs" rightSection={<Icon name="chevron" size={12} />}>
            {t("adminLive:saved")}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {saved.length === 0 && <Menu.Label>{t("adminLive:noneSaved")}</Menu.Label>}
          {saved.map((each) => (
            <Menu.Item key={each.name} onClick={() => props.onChoose(each.filters)}>
              {each.name}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item disabled={Object.keys(props.filters).length === 0} onClick={() => setName("")}>
            {t("adminLive:saveThese")}
          </Menu.Item>
          {saved.map((each) => (
            <Menu.Item
              key={each.name}
              color="red"
              onClick={() => keep(saved.filter((other) => other.name !== each.name))}
            >
              {t("adminLive:forget", { name: each.name })}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Modal opened={name !== null} onClose={() => setName(null)} title={t("adminLive:saveThese")}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const given = (name ?? "").trim();
            if (!given) return;
            keep([...saved.filter((each) => each.name !== given), { name: given, filters: props.filters }]);
            setName(null);
          }}
        >
          <Stack>
            <TextInput
              label={t("common:name")}
              value={name ?? ""}
              onChange={(event) => setName(event.currentTarget.value)}
              data-autofocus
              required
            />
            <Group justify="flex-end">
              <Button type="submit">{t("common:save")}</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
