"""The relay under load: which measurements are made, in which order, and for how long.

One cell is one workload at one concurrency. Its series take turns (a b a b): what else the machine does in these
seconds meets all of them. The second round of a cell is left out where the time would not last for every cell's first.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, Literal

import asyncpg
import msgspec

from adapters.postgres.embedded import find_running
from app.projections import PROJECTIONS
from projections.runner import lag
from tests.bench.load import Order, Sample
from tests.bench.prepare import MODEL_AT_ONCE, MODEL_PACED, prepare
from tests.bench.processes import Generator, Service, bare_relay, fast_vendor, generator, tallygate
from tests.bench.procfs import resident_mebibytes

CHUNK_MILLISECONDS: Final = 20
STREAM_SECONDS: Final = 21 * CHUNK_MILLISECONDS / 1000
"""Twenty words and the end, a pause before each."""

Workload = Literal["plain", "stream, 0 ms", "stream, 20 ms"]
Series = Literal["direct", "bare", "hot", "many"]
WORKLOADS: Final[tuple[Workload, ...]] = ("plain", "stream, 0 ms", "stream, 20 ms")
PACED_CONNECTIONS: Final = 256
LAG_CONCURRENCY: Final = 64


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured."""

    workers: tuple[int, ...] = (1, 2)
    concurrencies: tuple[int, ...] = (1, 16, 64, 256)
    workloads: tuple[Workload, ...] = WORKLOADS
    tenants: int = 1000
    rounds: int = 2
    warmup_seconds: float = 0.6
    seconds: float = 2.0
    paced_seconds: float = 4.0
    lag_seconds: float = 5.0


class Cell(msgspec.Struct, frozen=True):
    """One workload at one concurrency, with so many workers."""

    workers: int
    workload: Workload
    concurrency: int


class Measured(msgspec.Struct, frozen=True):
    """One series of a cell, in one round."""

    cell: Cell
    series: Series
    round: int
    sample: Sample
    mebibytes: dict[str, float]
    """Memory by part, right after."""


class Paced(msgspec.Struct, frozen=True):
    """Half of what was the most, at even intervals."""

    workers: int
    per_second: float
    direct: list[Sample]
    gateway: list[Sample]


class LagResult(msgspec.Struct, frozen=True):
    """How far projections fell behind while requests came as fast as they were answered."""

    workers: int
    requests_per_second: float
    events_max: dict[str, int]
    """By projection."""
    caught_up_seconds: float
    """From the end of the load until every projection had folded everything."""


class RelayResult(msgspec.Struct, frozen=True):
    """All that was measured over HTTP."""

    measured: list[Measured]
    paced: list[Paced]
    lags: list[LagResult]


class Budget:
    """The time that there is, and what is yet to be paid from it."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def allows(self, seconds: float, *, reserved: float) -> bool:
        """Say whether this may be done with what must be done afterwards."""
        return time.monotonic() + seconds + reserved < self._until


_START_SECONDS: Final = 5.0
_DRAIN_SECONDS: Final = 0.3
_LAG_SECONDS_MAX: Final = 30.0


def _series(cell: Cell, number: int) -> list[Series]:
    series: list[Series] = ["bare", "many"]
    if cell.workload == "plain":
        series = ["bare", "hot", "many"]
    if cell.workers == 1 and number == 0:
        # Nothing in it depends on workers, and it is steady: once is enough.
        series.insert(0, "direct")
    return series


class Bench:
    """One run of the relay's part."""

    def __init__(self, plan: Plan, budget: Budget, report: Callable[[str], None]) -> None:
        self.plan = plan
        self.budget = budget
        self.report = report
        self.measured: list[Measured] = []
        self.paced: list[Paced] = []
        self.lags: list[LagResult] = []
        self._cells = [
            Cell(workers, workload, concurrency)
            for workers in plan.workers
            for workload in plan.workloads
            for concurrency in plan.concurrencies
        ]

    async def run(self, data: Path) -> RelayResult:
        """Make every measurement."""
        async with (
            fast_vendor(delay_milliseconds=0) as at_once,
            fast_vendor(delay_milliseconds=CHUNK_MILLISECONDS) as slow,
            generator() as load,
        ):
            base_urls = {
                model: f"http://127.0.0.1:{vendor.port}/v1"
                for model, vendor in ((MODEL_AT_ONCE, at_once), (MODEL_PACED, slow))
            }
            began = time.monotonic()
            tokens = await prepare(data, base_urls, self.plan.tenants)
            self.report(f"{len(tokens)} tenants made in {time.monotonic() - began:.1f} s")
            for workers in self.plan.workers:
                async with (
                    bare_relay(at_once, workers) as bare_at_once,
                    bare_relay(slow, workers) as bare_slow,
                    tallygate(data, workers, at_once) as gateway,
                ):
                    stage = _Stage(load, tokens, workers)
                    stage.services = {
                        ("direct", False): at_once,
                        ("direct", True): slow,
                        ("bare", False): bare_at_once,
                        ("bare", True): bare_slow,
                        ("gateway", False): gateway,
                        ("gateway", True): Service(gateway.port, gateway.roots | slow.roots),
                    }
                    await self._stage(stage, data)
        return RelayResult(self.measured, self.paced, self.lags)

    async def _stage(self, stage: "_Stage", data: Path) -> None:
        # Caches fill, and connections are opened, before anything counts.
        warm = Cell(stage.workers, "plain", 64)
        await stage.measure(self._order(warm), warm, "many")
        for cell in [cell for cell in self._cells if cell.workers == stage.workers]:
            await self._cell(stage, cell)
        await self._paced(stage)
        await self._lag(stage, data)

    async def _cell(self, stage: "_Stage", cell: Cell) -> None:
        self._cells.remove(cell)
        for number in range(self.plan.rounds):
            series = _series(cell, number)
            cost = len(series) * self._cost(cell)
            if number and not self.budget.allows(cost, reserved=self._reserved()):
                break
            for each in series:
                order = self._order(cell)
                sample, mebibytes = await stage.measure(order, cell, each)
                self.measured.append(Measured(cell, each, number, sample, mebibytes))
                self.report(_line(cell, each, sample))

    def _cost(self, cell: Cell) -> float:
        extra = 2 * STREAM_SECONDS if cell.workload == "stream, 20 ms" else _DRAIN_SECONDS
        return self.plan.warmup_seconds + self.plan.seconds + extra

    def _reserved(self) -> float:
        """Give what the first rounds of the cells to come will take, and what follows each stage."""
        stages = {cell.workers for cell in self._cells} | {self.measured[-1].cell.workers}
        paced = self.plan.rounds * (self._cost(self.measured[-1].cell) + 2 * (self.plan.paced_seconds + 1))
        each = paced + self.plan.lag_seconds + 4 + _START_SECONDS
        return len(stages) * each + sum(len(_series(cell, 0)) * self._cost(cell) for cell in self._cells)

    def _order(self, cell: Cell) -> Order:
        is_slow = cell.workload == "stream, 20 ms"
        return Order(
            port=0,
            model=MODEL_PACED if is_slow else MODEL_AT_ONCE,
            tokens=[],
            stream=cell.workload != "plain",
            connections=cell.concurrency,
            spread_seconds=STREAM_SECONDS if is_slow else 0.0,
            warmup_seconds=self.plan.warmup_seconds + (STREAM_SECONDS if is_slow else 0.0),
            seconds=self.plan.seconds,
            pids={},
        )

    async def _paced(self, stage: "_Stage") -> None:
        """Measure at half of what the best concurrency reaches, looked at anew right before: the machine changes."""
        rates: dict[int, list[float]] = {}
        for each in self.measured:
            if each.cell.workers == stage.workers and each.cell.workload == "plain" and each.series == "many":
                rates.setdefault(each.cell.concurrency, []).append(each.sample.per_second)
        best = Cell(stage.workers, "plain", max(rates, key=lambda found: sum(rates[found]) / len(rates[found])))
        cell = Cell(stage.workers, "plain", PACED_CONNECTIONS)
        samples: dict[Series, list[Sample]] = {"direct": [], "many": []}
        halves: list[float] = []
        for _ in range(self.plan.rounds):
            knee, _ = await stage.measure(self._order(best), best, "many")
            halves.append(knee.per_second / 2)
            order = msgspec.structs.replace(
                self._order(cell),
                requests_per_second=halves[-1],
                warmup_seconds=1.0,
                seconds=self.plan.paced_seconds,
            )
            for series, found in samples.items():
                sample, _ = await stage.measure(order, cell, series)
                found.append(sample)
                self.report(f"paced at {halves[-1]:.0f}/s: {_line(cell, series, sample)}")
        self.paced.append(Paced(stage.workers, sum(halves) / len(halves), samples["direct"], samples["many"]))

    async def _lag(self, stage: "_Stage", data: Path) -> None:
        dsn = await find_running(data)
        assert dsn is not None
        cell = Cell(stage.workers, "plain", LAG_CONCURRENCY)
        order = msgspec.structs.replace(self._order(cell), seconds=self.plan.lag_seconds)
        async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
            highest: dict[str, int] = {}
            async with _watching(pool, highest):
                sample, _ = await stage.measure(order, cell, "many")
            ended = time.monotonic()
            async with asyncio.timeout(_LAG_SECONDS_MAX):
                while any(each.events for each in await lag(pool, PROJECTIONS)):  # noqa: ASYNC110  # it tells nobody
                    await asyncio.sleep(0.02)
        result = LagResult(stage.workers, sample.per_second, highest, time.monotonic() - ended)
        self.lags.append(result)
        self.report(f"projection lag: at most {highest} events, caught up after {result.caught_up_seconds:.2f} s")


@contextlib.asynccontextmanager
async def _watching(pool: "asyncpg.Pool[asyncpg.Record]", highest: dict[str, int]) -> AsyncIterator[None]:
    """Look four times a second how far projections are behind, and keep the worst of each."""

    async def watch() -> None:
        while True:
            for each in await lag(pool, PROJECTIONS):
                highest[each.projection] = max(highest.get(each.projection, 0), each.events)
            await asyncio.sleep(0.25)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


class _Stage:
    """What runs while one number of workers is measured."""

    def __init__(self, load: Generator, tokens: list[str], workers: int) -> None:
        self.load = load
        self.tokens = tokens
        self.workers = workers
        self.services: dict[tuple[str, bool], Service] = {}

    async def measure(self, order: Order, cell: Cell, series: Series) -> tuple[Sample, dict[str, float]]:
        """Measure one series; give the memory that its processes have then, too."""
        kind = "gateway" if series in {"hot", "many"} else series
        service = self.services[kind, cell.workload == "stream, 20 ms"]
        tokens = {"hot": self.tokens[:1], "many": self.tokens}.get(series, ["none"])
        pids = service.pids()
        sample = await self.load.measure(msgspec.structs.replace(order, port=service.port, tokens=tokens, pids=pids))
        return sample, {part: resident_mebibytes(found) for part, found in service.pids().items()}


def _line(cell: Cell, series: Series, sample: Sample) -> str:
    faults = f"  FAULTS {sample.faults}" if sample.faults else ""
    cpu = ", ".join(f"{part} {1000 * used / max(1, sample.requests):.2f}" for part, used in sample.cpu_seconds.items())
    return (
        f"{cell.workers} worker(s), {cell.workload}, c={cell.concurrency}, {series}: {sample.per_second:,.0f}/s,"
        f" p50 {sample.latency_p50:.2f} ms, p99 {sample.latency_p99:.2f} ms, CPU ms/request: {cpu},"
        f" others {sample.others_cores:.2f} cores{faults}"
    )
