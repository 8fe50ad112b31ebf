"""The call of `ledger.apply`: commands in, answers out, one round trip and one commit."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from domain.ids import day_of
from domain.ledger.commands import Answer, Code, Command

if TYPE_CHECKING:
    import asyncpg

APPLY: Final = (
    "SELECT code, leg, position, recorded_at, balance FROM ledger.apply("  # noqa: S608  # parameters only
    + ", ".join(f"${number}" for number in range(1, 34))
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
    """Give the parallel arrays of `ledger.apply`; the commands must be sorted by lane."""
    heads = [
        (
            c.tenant_id, c.lane, int(c.kind), c.event_id, day_of(c.hold_id or c.event_id), c.digest(), c.type, c.actor,
            c.correlation_id, c.causation_id, c.data, c.hold_id or c.event_id, c.timeout_seconds, c.pool_id, c.strict,
            c.money_nanos, c.requests, c.tokens, c.allowance_nanos, len(c.legs),
        )
        for c in commands
    ]  # fmt: skip
    legs = [(leg.account_id, int(leg.op), leg.amount, leg.floor) for c in commands for leg in c.legs]
    openings = [
        (
            number, o.account_id, o.name, int(o.unit), _time(o.expires_at), _time(o.purge_at), o.pool_id, o.credit_line,
            o.priority,
        )
        for number, c in enumerate(commands, 1)
        for o in c.openings
    ]  # fmt: skip
    columns = [list(column) for column in zip(*heads, strict=True)]
    columns += [list(column) for column in zip(*legs, strict=True)] or [[], [], [], []]
    columns += [list(column) for column in zip(*openings, strict=True)] or [[] for _ in range(9)]
    return columns


async def apply(connection: "asyncpg.Connection[asyncpg.Record]", commands: Sequence[Command]) -> list[Answer]:
    """Apply the commands in one transaction, and answer each, in the order given.

    Commands of one lane are applied in the order given. Must not be cancelled: see `adapters.postgres.flusher`.
    """
    order = sorted(range(len(commands)), key=lambda index: commands[index].lane)
    row = await connection.fetchrow(APPLY, *arguments([commands[index] for index in order]))
    assert row is not None
    answers: list[Answer] = [None] * len(commands)  # type: ignore[list-item]  # each is set below
    for index, code, leg, position, recorded_at, balance in zip(order, *row, strict=True):
        micros = (recorded_at - _EPOCH) // _MICROSECOND
        answers[index] = Answer(_CODES[code], leg, position, micros, balance)
    return answers
