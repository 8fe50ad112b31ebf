"""What was measured, as Markdown: first the targets, each met or missed by how much, then every figure."""

import datetime as dt
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.core import CoreResult
from tests.bench.load import Sample
from tests.bench.procfs import processor_name
from tests.bench.relay import PACED_CONNECTIONS, Cell, Measured, RelayResult, Series, Workload

_NAMES: Final[dict[Series, str]] = {
    "direct": "vendor, direct",
    "bare": "(a) bare relay",
    "hot": "(b) Tallygate, 1 tenant",
    "many": "(b) Tallygate, many tenants",
}
_OTHERS_CORES_MAX: Final = 0.2
_NOISY: Final = (
    "**The machine was not quiet.** Latencies and requests per second are worse than they would be alone, and even CPU"
    " per request grows when cores are fought for; the ratios to (a) are the figures to read."
)
_PARTS: Final = ("app", "postgres", "vendor", "load")


class Surroundings(msgspec.Struct, frozen=True):
    """Where and when this was measured."""

    began: str
    machine: str
    load_average: float

    @classmethod
    def look(cls, folder: Path) -> "Surroundings":
        filesystem = _filesystem(folder)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        machine = (
            f"{os.cpu_count()} cores ({processor_name()}), {memory:.0f} GiB, {platform.system()} {platform.release()},"
            f" {filesystem}, Python {platform.python_version()}"
        )
        return cls(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC", machine, os.getloadavg()[0])


def _filesystem(folder: Path) -> str:
    """Give the kind of the file system of a folder: that of the longest mount point above it."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, found, *_ = line.split()
        inside = str(folder.resolve()).startswith(point.rstrip("/") + "/")
        if inside and len(point) > len(best):
            best, kind = point, found
    return kind


class Target(msgspec.Struct, frozen=True):
    """One bar, and what was reached."""

    name: str
    wanted: float
    reached: float | None
    """None where it was not measured."""
    at_least: bool
    unit: str = ""

    @property
    def verdict(self) -> str:
        if self.reached is None:
            return "not measured"
        is_met = self.reached >= self.wanted if self.at_least else self.reached <= self.wanted
        share = abs(self.reached - self.wanted) / self.wanted
        return f"{'met' if is_met else '**missed**'} by {share:.0%}"

    def row(self) -> str:
        sign = "at least" if self.at_least else "at most"
        reached = "" if self.reached is None else f"{_number(self.reached)} {self.unit}".strip()
        return f"| {self.name} | {sign} {_number(self.wanted)} {self.unit} | {reached} | {self.verdict} |"


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _own_cpu(sample: Sample) -> float:
    used = sum(sample.cpu_seconds.get(part, 0.0) for part in ("app", "postgres"))
    return used / max(1, sample.requests)


class _Figures:
    """The measurements, found by what they are of."""

    def __init__(self, measured: Sequence[Measured]) -> None:
        self.measured = measured
        self.cells = list(dict.fromkeys(each.cell for each in measured))

    def samples(self, cell: Cell, series: Series) -> list[Sample]:
        return [each.sample for each in self.measured if each.cell == cell and each.series == series]

    def mean(self, cell: Cell, series: Series, value: Callable[[Sample], float]) -> float | None:
        found = [value(sample) for sample in self.samples(cell, series)]
        return statistics.fmean(found) if found else None

    def ratio(self, cell: Cell, over: Series, under: Series) -> float | None:
        """Give how many requests one series serves for each of another, round by round, since rounds were neighbors."""
        pairs = zip(self.samples(cell, over), self.samples(cell, under), strict=False)
        ratios = [a.per_second / b.per_second for a, b in pairs if b.requests]
        return statistics.fmean(ratios) if ratios else None

    def cpu_ratio(self, cell: Cell, over: Series, under: Series) -> float | None:
        """Give how many times the CPU of another series a request of this one takes, in the gateway and database."""
        pairs = zip(self.samples(cell, over), self.samples(cell, under), strict=False)
        ratios = [_own_cpu(a) / _own_cpu(b) for a, b in pairs if _own_cpu(b)]
        return statistics.fmean(ratios) if ratios else None

    def added(self, cell: Cell, series: Series, value: Callable[[Sample], float]) -> float | None:
        """Give what a series adds to the vendor's own time, which is measured with one worker's cells."""
        own = self.mean(cell, series, value)
        base = self.mean(Cell(1, cell.workload, cell.concurrency), "direct", value)
        return own - base if own is not None and base is not None else None

    def mebibytes(self, cell: Cell, series: Series, part: str) -> float | None:
        found = [
            e.mebibytes[part] for e in self.measured if e.cell == cell and e.series == series and part in e.mebibytes
        ]
        return max(found) if found else None


def render(surroundings: Surroundings, core: CoreResult, relay: RelayResult, *, quick: bool) -> str:
    """Give the whole report."""
    figures = _Figures(relay.measured)
    title = "# Benchmarks (a quick subset: no more than a sign that it runs)" if quick else "# Benchmarks"
    return "\n".join(
        [
            title,
            "",
            *_introduction(surroundings, core, relay),
            "## Targets",
            "",
            "| target | wanted | reached | |",
            "|---|---|---|---|",
            *(target.row() for target in _targets(figures, core, relay)),
            "",
            *_requests(figures),
            *_paced(relay),
            *_core(core),
            *_lags(relay),
        ]
    )


def _introduction(surroundings: Surroundings, core: CoreResult, relay: RelayResult) -> list[str]:
    others = [each.sample.others_cores for each in relay.measured]
    faults = sum(sum(each.sample.faults.values()) for each in relay.measured)
    return [
        (
            f"Measured {surroundings.began} by `make bench` on {surroundings.machine};"
            f" embedded PostgreSQL {core.server}, fsync on."
        ),
        "",
        (
            "Gateway, database, mock vendor and load generator share these cores, so requests per second say what the"
            " whole machine does; CPU per request says what each part costs, and (a) and (b) took turns, so their ratio"
            f" stands on a busy machine, too. Others used {statistics.fmean(others):.2f} cores on average during the"
            f" measurements ({max(others):.2f} at most, host included); load average at the start"
            f" {surroundings.load_average:.1f}. Differences under 10 % mean nothing. Failed requests: {faults}."
        ),
        "",
        *([_NOISY, ""] if statistics.fmean(others) > _OTHERS_CORES_MAX else []),
        (
            "- (a) is an aiohttp pass-through under the same server (uvicorn, uvloop, httptools): no token, no price,"
            " no ledger, no time-outs. (b) is `python -m app serve` with everything on: each request is a hold and a"
            " capture, both committed before its answer ends."
        ),
        (
            "- Latency is the time to the last byte. *Added* is over the vendor called directly at the same"
            " concurrency. Streams have 20 chunks; those of 20 ms start spread over the time of one stream."
        ),
        (
            "- CPU is in milliseconds per request, by process (*of (a)*: gateway and database together); memory is what"
            " the processes hold, shared pages divided among those that share them."
        ),
        "- Each figure is the mean of the rounds; ratios are taken round by round.",
        "",
    ]


def _targets(figures: _Figures, core: CoreResult, relay: RelayResult) -> list[Target]:
    targets: list[Target] = []
    for workers in sorted({cell.workers for cell in figures.cells}):
        label = f"{workers} worker{'s' if workers > 1 else ''}"

        def cell(workload: Workload, concurrency: int, workers: int = workers) -> Cell:
            return Cell(workers, workload, concurrency)

        plain, slow = cell("plain", 64), cell("stream, 20 ms", 64)
        paced = next((each for each in relay.paced if each.workers == workers), None)
        targets += [
            Target(f"requests/s at 64, of (a), {label}", 0.6, figures.ratio(plain, "many", "bare"), at_least=True),
            Target(
                f"added p50 at concurrency 1, {label}",
                3.0,
                figures.added(cell("plain", 1), "many", lambda s: s.latency_p50),
                at_least=False,
                unit="ms",
            ),
            Target(
                f"added p99 at half the knee, {label}",
                15.0,
                _added_p99(paced.gateway, paced.direct) if paced is not None else None,
                at_least=False,
                unit="ms",
            ),
            Target(
                f"first chunk later, p50, 64 streams of 20 ms, {label}",
                8.0,
                figures.added(slow, "many", lambda s: s.first_chunk_p50),
                at_least=False,
                unit="ms",
            ),
            Target(
                f"hot tenant's requests/s at 64, of many tenants', {label}",
                0.8,
                figures.ratio(plain, "hot", "many"),
                at_least=True,
            ),
        ]
    one_lane = {each.way: each.per_second for each in core.throughputs if each.batch == 100 and each.lanes == 1}
    slowest = min((each.events_per_second for each in core.rebuilt), default=None)
    longest_flip = max((each.flip_milliseconds for each in core.rebuilt), default=None)
    return [
        *targets,
        Target("core at batch 100, one lane", 18_000, one_lane.get("one connection"), at_least=True, unit="commands/s"),
        Target("rebuild, the slowest projection", 50_000, slowest, at_least=True, unit="events/s"),
        Target("rebuild, the longest flip", 50.0, longest_flip, at_least=False, unit="ms"),
    ]


def _added_p99(gateway: Sequence[Sample], direct: Sequence[Sample]) -> float:
    return statistics.fmean(s.latency_p99 for s in gateway) - statistics.fmean(s.latency_p99 for s in direct)


_COLUMNS: Final = (
    "c", "series", "requests/s", "of (a)", "p50 ms", "p99 ms", "added p50", "added p99", "first chunk p50", "p99",
    "added p50", "CPU app", "postgres", "vendor", "load", "CPU of (a)", "MiB app", "postgres", "rounds",
)  # fmt: skip


def _requests(figures: _Figures) -> list[str]:
    lines: list[str] = []
    for workers, workload in dict.fromkeys((cell.workers, cell.workload) for cell in figures.cells):
        cells = [cell for cell in figures.cells if (cell.workers, cell.workload) == (workers, workload)]
        lines += [
            f"## {workload.capitalize()}, {workers} worker{'s' if workers > 1 else ''}",
            "",
            f"| {' | '.join(_COLUMNS)} |",
            "|" + "---|" * len(_COLUMNS),
            *(_row(figures, cell, series) for cell in cells for series in _NAMES if figures.samples(cell, series)),
            "",
        ]
    return lines


def _row(figures: _Figures, cell: Cell, series: Series) -> str:
    def mean(value: Callable[[Sample], float]) -> str:
        return _shown(figures.mean(cell, series, value))

    def added(value: Callable[[Sample], float]) -> str:
        return "" if series == "direct" else _shown(figures.added(cell, series, value))

    def cpu(part: str) -> str:
        used = figures.mean(cell, series, lambda s: 1000 * s.cpu_seconds.get(part, 0.0) / max(1, s.requests))
        return _shown(used) if used else ""

    streamed = cell.workload != "plain"
    values = [
        str(cell.concurrency),
        _NAMES[series],
        mean(lambda s: s.per_second),
        "" if series in {"direct", "bare"} else _shown(figures.ratio(cell, series, "bare")),
        mean(lambda s: s.latency_p50),
        mean(lambda s: s.latency_p99),
        added(lambda s: s.latency_p50),
        added(lambda s: s.latency_p99),
        mean(lambda s: s.first_chunk_p50) if streamed else "",
        mean(lambda s: s.first_chunk_p99) if streamed else "",
        added(lambda s: s.first_chunk_p50) if streamed else "",
        *(cpu(part) for part in _PARTS),
        "" if series in {"direct", "bare"} else _shown(figures.cpu_ratio(cell, series, "bare")),
        *(_whole(figures.mebibytes(cell, series, part)) for part in ("app", "postgres")),
        str(len(figures.samples(cell, series))),
    ]
    return f"| {' | '.join(values)} |"


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _paced(relay: RelayResult) -> list[str]:
    return [
        "## Half the knee",
        "",
        (
            "Plain requests of many tenants fall due at even intervals, at half of what the best concurrency"
            f" reached right before, over up to {PACED_CONNECTIONS} connections; latency counts from when they were"
            " due."
        ),
        "",
        "| workers | requests/s due | served | p50 ms | p99 ms | direct p50 | direct p99 | added p50 | added p99 |",
        "|" + "---|" * 9,
        *(
            (
                f"| {each.workers} | {each.per_second:,.0f} | {_of(each.gateway, 'per_second')} |"
                f" {_of(each.gateway, 'latency_p50')} | {_of(each.gateway, 'latency_p99')} |"
                f" {_of(each.direct, 'latency_p50')} | {_of(each.direct, 'latency_p99')} |"
                f" {_mean(each.gateway, 'latency_p50') - _mean(each.direct, 'latency_p50'):.2f} |"
                f" {_added_p99(each.gateway, each.direct):.2f} |"
            )
            for each in relay.paced
        ),
        "",
    ]


def _mean(samples: Sequence[Sample], name: str) -> float:
    return statistics.fmean(getattr(sample, name) for sample in samples)


def _of(samples: Sequence[Sample], name: str) -> str:
    return _shown(_mean(samples, name))


def _core(core: CoreResult) -> list[str]:
    return [
        "## The core alone",
        "",
        (
            "Commands of four accounts each (the wallet's grant; what tenant, user and token have spent): holds, then"
            " their captures. *One connection* sends batches of this size one after the other; *Flusher* has this many"
            " callers, each of which waits for its answer. Milliseconds are those of a call on one connection, and"
            " through the Flusher of a command from its queueing to its answer."
        ),
        "",
        "| way | batch | lanes | commands/s | rounds | ms | CPU µs per command: postgres | client |",
        "|" + "---|" * 8,
        *(
            (
                f"| {each.way} | {each.batch} | {each.lanes} | {each.per_second:,.0f} |"
                f" {', '.join(f'{rate:,.0f}' for rate in each.rounds)} | {each.call_milliseconds:.2f} |"
                f" {each.postgres_micros:,.0f} | {each.client_micros:,.0f} |"
            )
            for each in core.throughputs
        ),
        "",
        f"Rebuild of each projection from that log, {core.events:,} events:",
        "",
        "| projection | events/s | seconds | flip ms |",
        "|---|---|---|---|",
        *(
            f"| {each.projection} | {each.events_per_second:,} | {each.seconds:.2f} | {each.flip_milliseconds:.1f} |"
            for each in core.rebuilt
        ),
        "",
    ]


def _lags(relay: RelayResult) -> list[str]:
    return [
        "## Projection lag under load",
        "",
        (
            "The most events that a projection was behind, looked at four times a second, while 64 connections of many"
            " tenants asked as fast as they were answered; a request is two events."
        ),
        "",
        "| workers | requests/s | events behind at most | caught up, after the load ended |",
        "|---|---|---|---|",
        *(
            (
                f"| {each.workers} | {each.requests_per_second:,.0f} |"
                f" {', '.join(f'{name} {events:,}' for name, events in sorted(each.events_max.items()))} |"
                f" {each.caught_up_seconds:.2f} s |"
            )
            for each in relay.lags
        ),
        "",
    ]
