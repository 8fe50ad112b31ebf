"""Balances: what every tenant, user and token was given and has spent, since ever.

The money that a tenant can still spend is `granted - captured - adjusted - lapsed`, less what is held just now; the
ledger's accounts, which this is checked against, have that to the moment.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.metering.usage import TokenCounts
from projections.base import StoredEvent
from projections.slices import slices
from projections.sums import SumTable

if TYPE_CHECKING:
    import asyncpg

_TABLE: Final = SumTable(
    "projection.balances",
    keys={"owner_id": "text", "owner": "text", "tenant_id": "bigint"},
    sums={
        "granted_nanos": "numeric",
        "captured_nanos": "numeric",
        "overrun_nanos": "numeric",
        "allowance_nanos": "numeric",
        "adjusted_nanos": "numeric",
        "lapsed_nanos": "numeric",
        "requests": "bigint",
        "voids": "bigint",
        "tokens": "bigint",
    },
)


class Captured(msgspec.Struct, gc=False):
    captured_nanos: int
    usage: TokenCounts
    token_id: str
    user_id: str
    allowance_nanos: int = 0
    overrun_nanos: int = 0


class Adjusted(msgspec.Struct, gc=False):
    charged_nanos: int
    usage: TokenCounts
    token_id: str
    user_id: str


class Voided(msgspec.Struct, gc=False):
    token_id: str
    user_id: str


class Granted(msgspec.Struct, gc=False):
    amount_nanos: int


class Redeemed(msgspec.Struct, gc=False):
    grant: Granted


class Lapsed(msgspec.Struct, gc=False):
    """The amount is in the event's effects."""


class TakenBack(msgspec.Struct, gc=False):
    amount_nanos: int


class Owner(NamedTuple):
    """Whose row it is, in the order in which rows are locked."""

    owner_id: str
    owner: str
    """`tenant`, `user` or `token`."""
    tenant_id: int


class Sums:
    """What a batch adds to one row."""

    __slots__ = ("adjusted", "allowance", "captured", "granted", "lapsed", "overrun", "requests", "tokens", "voids")

    def __init__(self) -> None:
        self.granted = self.captured = self.overrun = self.allowance = self.adjusted = self.lapsed = 0
        self.requests = self.voids = self.tokens = 0

    def values(self) -> tuple[int, ...]:
        """Give the sums in the order of the table's columns."""
        return (
            self.granted,
            self.captured,
            self.overrun,
            self.allowance,
            self.adjusted,
            self.lapsed,
            self.requests,
            self.voids,
            self.tokens,
        )


def fold(events: Sequence[StoredEvent], rows: dict[Owner, Sums]) -> None:
    """Sum up what the events add to each row."""
    for event in events:
        value, tenant_id = event.value, event.tenant_id
        tenant = _row(rows, str(tenant_id), "tenant", tenant_id)
        if isinstance(value, Captured | Adjusted | Voided):
            user, token = _row(rows, value.user_id, "user", tenant_id), _row(rows, value.token_id, "token", tenant_id)
            for row in (tenant, user, token):
                _spend(row, value)
        else:
            _credit(tenant, event)


def _spend(row: Sums, value: Captured | Adjusted | Voided) -> None:
    match value:
        case Captured():
            row.captured += value.captured_nanos
            row.overrun += value.overrun_nanos
            row.allowance += value.allowance_nanos
            row.requests += 1
            row.tokens += value.usage.total
        case Adjusted():
            row.captured += value.charged_nanos
            row.tokens += value.usage.total
        case Voided():
            row.voids += 1


def _credit(row: Sums, event: StoredEvent) -> None:
    match event.value:
        case Granted(amount_nanos=amount) | Redeemed(grant=Granted(amount_nanos=amount)):
            row.granted += amount
        case Lapsed():
            row.lapsed -= sum(event.posted)
        case TakenBack(amount_nanos=amount):
            row.adjusted += amount


def _row(rows: dict[Owner, Sums], owner_id: str, owner: str, tenant_id: int) -> Sums:
    key = Owner(owner_id, owner, tenant_id)
    sums = rows.get(key)
    if sums is None:
        sums = rows[key] = Sums()
    return sums


class Balances:
    """The projection `balances`."""

    name = "balances"
    version = 2
    tables = ("projection.balances",)
    shapes: Mapping[str, Any] = {
        "hold.captured.v1": Captured,
        "hold.voided.v1": Voided,
        "usage.adjusted.v1": Adjusted,
        "credit.granted.v1": Granted,
        "code.redeemed.v1": Redeemed,
        "credit.lapsed.v1": Lapsed,
        "credit.adjusted.v1": TakenBack,
    }
    types = frozenset(shapes)
    effects = frozenset({"credit.lapsed.v1"})
    names = False

    async def apply(
        self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
    ) -> None:
        """Add what the events sum up to."""
        rows: dict[Owner, Sums] = {}
        async for part in slices(events):
            fold(part, rows)
        await _TABLE.add(connection, generation, {owner: sums.values() for owner, sums in rows.items()})


BALANCES: Final = Balances()
