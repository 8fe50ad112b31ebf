"""The core alone, on a database of its own: commands into the ledger, and projections made again from the log.

The commands are those of a request without rate limits: a hold on four accounts (the wallet's grant, and what tenant,
user and token have spent), then its capture with all the factors of a price.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import asyncpg
import msgspec

from adapters.ids import new_id
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.flusher import Flusher
from adapters.postgres.ledger import apply
from adapters.postgres.migrate import migrate
from app.projections import PROJECTIONS
from app.rebuild import Rebuilt, rebuild_all
from domain.accounts import tenant_account, token_account, user_account, wallet
from domain.events import encode, type_name
from domain.holds.events import Attempt, HoldAuthorized, HoldCaptured
from domain.ids import EntityId, EventId, HoldId, derive_id, first_lane
from domain.ledger.commands import NO_FLOOR, Answer, Code, Command, Kind, Leg, Unit
from domain.metering.usage import TokenUsage
from domain.pricing.charge import ChargeFactors, ChargeLine, reprice
from tests.bench.prepare import Customer, make_customers
from tests.bench.procfs import cpu_seconds, process_tree

BATCHES = (1, 16, 100, 256)
LANES_MANY = 100
_CARD = EntityId(new_id())
_CHANNEL = EntityId(new_id())
_HELD_NANOS = 200_000
_USAGE = TokenUsage(input_tokens=1200, output_tokens=300)
_FACTORS = ChargeFactors(
    (
        ChargeLine("input_tokens", 1200, Decimal("0.15"), 1_000_000),
        ChargeLine("output_tokens", 300, Decimal("0.6"), 1_000_000),
    )
)
_CHARGED_NANOS = reprice(_FACTORS)

Apply = Callable[[Sequence[Command]], Awaitable[Sequence[Answer]]]


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Commands per second at one size of batch, by round."""

    batch: int
    lanes: int
    way: str
    rounds: list[float]
    call_milliseconds: float
    """One call of the ledger, at the median; through the Flusher, one command from its queueing to its answer."""
    postgres_micros: float
    """CPU per command, the whole server's: what it costs on a busy machine, too."""
    client_micros: float
    """CPU per command in this process: through the Flusher with the making of the commands, else without."""

    @property
    def per_second(self) -> float:
        return statistics.median(self.rounds)


class CoreResult(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured without HTTP."""

    throughputs: list[Throughput]
    rebuilt: list[Rebuilt]
    events: int
    """In the log that was rebuilt from."""
    server: str


async def measure_core(
    data: Path, *, rounds: int, seconds: float, batches: Sequence[int], report: Callable[[str], None]
) -> CoreResult:
    """Measure commands per second, then rebuild every projection from the log that this has made."""
    async with EmbeddedPostgres(data) as server:
        await migrate(server.dsn)
        async with asyncpg.create_pool(server.dsn, min_size=1, max_size=8) as pool:
            await pool.execute("SELECT ledger.create_days(current_date - 1, 9)")
            await pool.execute("SELECT ledger.open_lane(1, 1)")
            flusher = Flusher(server.dsn)
            await flusher.start()
            customers = [Customer.make(number) for number in range(LANES_MANY)]
            await make_customers(customers, flusher, pool)
            throughputs = await _throughputs(
                server, flusher, customers, rounds=rounds, seconds=seconds, batches=batches
            )
            for each in throughputs:
                report(f"core, {each.way}, batch {each.batch}, {each.lanes} lane(s): {each.per_second:,.0f} commands/s")
            await flusher.stop(10.0)
            await pool.execute("ANALYZE ledger.event, ledger.lane")
            events = await pool.fetchval("SELECT sum(head)::bigint FROM ledger.lane")
            rebuilt = await rebuild_all(pool, PROJECTIONS)
            for one in rebuilt:
                report(f"rebuild of {one.projection}: {one.events_per_second:,} events/s")
            version = await pool.fetchval("SHOW server_version")
    return CoreResult(throughputs=throughputs, rebuilt=rebuilt, events=events, server=version)


class _Round(NamedTuple):
    """One cell, once."""

    per_second: float
    call_milliseconds: float
    client_seconds: float
    commands: int


async def _throughputs(
    server: EmbeddedPostgres,
    flusher: Flusher,
    customers: list[Customer],
    *,
    rounds: int,
    seconds: float,
    batches: Sequence[int],
) -> list[Throughput]:
    assert server.pid is not None
    connection = await asyncpg.connect(server.dsn)

    async def direct(commands: Sequence[Command]) -> Sequence[Answer]:
        return await apply(connection, commands)

    async def measure(way: str, batch: int, lanes: int) -> tuple[_Round, float]:
        pids = process_tree(server.pid or 0)
        before = cpu_seconds(pids)
        if way == "Flusher":
            done = await _queued(flusher.submit, customers[:lanes], batch, seconds)
        else:
            done = await _batched(direct, customers[:lanes], batch, seconds)
        return done, (cpu_seconds(pids) - before) / done.commands * 1e6

    cells = [
        (way, batch, lanes)
        for batch, lanes in [*((batch, 1) for batch in batches), (100, LANES_MANY)]
        for way in ("one connection", "Flusher")
    ]
    found: dict[tuple[str, int, int], list[tuple[_Round, float]]] = {cell: [] for cell in cells}
    try:
        # Rounds outermost: what else runs on the machine meets all of them alike.
        for _ in range(rounds):
            for cell in cells:
                found[cell].append(await measure(*cell))
    finally:
        await connection.close()
    return [
        Throughput(
            way=way,
            batch=batch,
            lanes=lanes,
            rounds=[each.per_second for each, _ in done],
            call_milliseconds=statistics.median(each.call_milliseconds for each, _ in done),
            postgres_micros=statistics.median(micros for _, micros in done),
            client_micros=statistics.median(each.client_seconds / each.commands * 1e6 for each, _ in done),
        )
        for (way, batch, lanes), done in found.items()
    ]


async def _batched(send: Apply, customers: Sequence[Customer], batch: int, seconds: float) -> _Round:
    """Send batches one after the other: holds, then their captures. Making the commands is not in the time."""
    done, spent, cpu = 0, 0.0, 0.0
    calls: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        holds = [hold_of(customer) for customer in islice(cycle(customers), batch)]
        captures = [capture_of(hold, customer) for hold, customer in zip(holds, cycle(customers), strict=False)]
        for commands in (holds, captures):
            began, cpu_began = time.perf_counter(), time.process_time()
            answers = await send(commands)
            took = time.perf_counter() - began
            cpu += time.process_time() - cpu_began
            _expect_accepted(answers)
            done += len(commands)
            spent += took
            calls.append(took)
    return _Round(done / spent, statistics.median(calls) * 1000, cpu, done)


async def _queued(
    submit: Callable[[Command], Awaitable[Answer]], customers: Sequence[Customer], batch: int, seconds: float
) -> _Round:
    """Keep so many commands under way, each its caller's own; the Flusher makes batches of what is queued."""
    waits: list[float] = []
    began, cpu_began = time.perf_counter(), time.process_time()
    until = began + seconds

    async def caller(customer: Customer) -> None:
        while time.perf_counter() < until:
            hold = hold_of(customer)
            for command in (hold, capture_of(hold, customer)):
                asked = time.perf_counter()
                answer = await submit(command)
                waits.append(time.perf_counter() - asked)
                _expect_accepted([answer])

    await asyncio.gather(*(caller(customer) for customer in islice(cycle(customers), batch)))
    cpu = time.process_time() - cpu_began
    return _Round(len(waits) / (time.perf_counter() - began), statistics.median(waits) * 1000, cpu, len(waits))


def _expect_accepted(answers: Sequence[Answer]) -> None:
    refused = [answer for answer in answers if answer.code is not Code.OK]
    if refused:
        raise RuntimeError(f"the ledger refused a command of the benchmark: {refused[0]}")


def hold_of(customer: Customer) -> Command:
    """Give the hold of a new request."""
    tenant_id, token = customer.tenant.tenant_id, customer.token
    hold_id = HoldId(new_id())
    event = HoldAuthorized(
        hold_id=hold_id,
        token_id=token.token_id,
        user_id=token.user_id,
        surface="chat",
        model_asked="gpt-4o-mini",
        model_billed="gpt-4o-mini",
        authorized_nanos=_HELD_NANOS * 4,
        prompt_tokens_upper=1300,
        output_tokens_max=1024,
        card_id=_CARD,
        card_version=1,
        multiplier=Decimal(1),
        timeout_seconds=900,
        node="bench",
    )
    counted = (tenant_account(tenant_id), user_account(tenant_id, token.user_id), token_account(token.token_id))
    return Command(
        tenant_id=tenant_id,
        lane=first_lane(tenant_id),
        kind=Kind.HOLD,
        event_id=EventId(hold_id),
        hold_id=hold_id,
        type=type_name(event),
        data=encode(event),
        actor=f"token:{token.token_id}",
        correlation_id=hold_id,
        causation_id=hold_id,
        timeout_seconds=900,
        pool_id=wallet(tenant_id),
        money_nanos=event.authorized_nanos,
        legs=tuple(Leg(account, event.authorized_nanos, NO_FLOOR, Unit.MONEY) for account in counted),
    )


def capture_of(hold: Command, customer: Customer) -> Command:
    """Give the capture that ends a hold."""
    assert hold.hold_id is not None
    event = HoldCaptured(
        hold_id=hold.hold_id,
        captured_nanos=_CHARGED_NANOS,
        basis="vendor",
        usage=_USAGE,
        factors=_FACTORS,
        token_id=customer.token.token_id,
        user_id=customer.token.user_id,
        surface="chat",
        model_asked="gpt-4o-mini",
        model_routed="gpt-4o-mini",
        model_billed="gpt-4o-mini",
        channel_id=_CHANNEL,
        card_id=_CARD,
        card_version=1,
        outcome="completed",
        attempt=Attempt(
            channel_id=_CHANNEL,
            model_routed="gpt-4o-mini",
            outcome="completed",
            status=200,
            latency_milliseconds=800,
            first_byte_milliseconds=200,
        ),
    )
    return msgspec.structs.replace(
        hold,
        kind=Kind.END,
        event_id=derive_id(hold.hold_id, "terminal"),
        type=type_name(event),
        data=encode(event),
        timeout_seconds=0,
        money_nanos=_CHARGED_NANOS,
        requests=1,
        tokens=_USAGE.total,
        legs=(),
    )
