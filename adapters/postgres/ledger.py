"""The call of `ledger.apply`: commands in, answers out, one round trip and one commit."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from domain.ids import day_of
from domain.ledger.commands import Answer, Code, Command, Kind

if TYPE_CHECKING:
    import asyncpg

APPLY: Final = (
    "SELECT code, leg, position, recorded_at, balance, leg_left FROM ledger.apply("  # noqa: S608  # parameters only
    + ", ".join(f"${number}" for number in range(1, 37))
    + ")"
)

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INFINITY: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_CODES: Final = tuple(Code)


def _time(text: str) -> dt.datetime:
    # asyncpg sends the largest datetime as PostgreSQL's infinity.
    return _INFINITY if text == "infinity" else dt.datetime.fromisoformat(text)


def arguments(commands: Sequence[Command]) -> list[list[Any]]:
    """Give the parallel arrays of `ledger.apply`; the commands must be sorted by lane and tenant."""
    heads = [
        (
            c.tenant_id, c.lane, int(c.kind), c.event_id, day_of(c.hold_id or c.event_id), c.digest(), c.type, c.actor,
            c.correlation_id, c.causation_id, c.data, c.hold_id or c.event_id, c.timeout_seconds, c.pool_id, c.strict,
            c.money_nanos, c.requests, c.tokens, c.allowance_nanos, len(c.legs),
        )
        for c in commands
    ]  # fmt: skip
    # Each account is sent once; legs and openings point at it by number.
    numbers: dict[tuple[str, int, int], int] = {}
    legs = [
        (
            numbers.setdefault((leg.account_id, c.tenant_id, c.lane), len(numbers) + 1), int(leg.op), leg.amount,
            leg.floor,
        )
        for c in commands
        for leg in c.legs
    ]  # fmt: skip
    openings = [
        (
            place, numbers.setdefault((o.account_id, c.tenant_id, c.lane), len(numbers) + 1), o.name, int(o.unit),
            _time(o.expires_at), _time(o.purge_at), o.pool_id, o.credit_line, o.priority,
        )
        for place, c in enumerate(commands, 1)
        for o in c.openings
    ]  # fmt: skip
    return [*_columns(heads, 20), *_columns(numbers, 3), *_columns(legs, 4), *_columns(openings, 9)]


def _columns(rows: Iterable[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]


async def apply(connection: "asyncpg.Connection[asyncpg.Record]", commands: Sequence[Command]) -> list[Answer]:
    """Apply the commands in one transaction, and answer each, in the order given.

    Commands of one lane are applied in the order given. Must not be cancelled: see `adapters.postgres.flusher`.
    """
    order = sorted(range(len(commands)), key=lambda index: (commands[index].lane, commands[index].tenant_id))
    ordered = [commands[index] for index in order]
    row = await connection.fetchrow(APPLY, *arguments(ordered))
    assert row is not None
    answers = dict(zip(order, answers_of(row, ordered), strict=True))
    return [answers[index] for index in range(len(commands))]


def answers_of(row: "asyncpg.Record", commands: Sequence[Command]) -> list[Answer]:
    """Give the answers to `commands` that the function's row of parallel arrays stands for."""
    *columns, leg_left = row
    answers = []
    legs = 0
    for command, code, leg, position, recorded_at, balance in zip(commands, *columns, strict=True):
        left: tuple[int, ...] = ()
        if command.kind is Kind.HOLD and code == Code.OK:
            left = tuple(leg_left[legs : legs + len(command.legs)])
        legs += len(command.legs)
        answers.append(Answer(_CODES[code], leg, position, (recorded_at - _EPOCH) // _MICROSECOND, balance, left))
    return answers
