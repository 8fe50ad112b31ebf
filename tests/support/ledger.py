"""Commands for tests of the ledger core, and its tables as values of the reference model."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

from adapters.postgres.ledger import APPLY, answers_of, arguments
from domain.ids import AccountId, EventId, HoldId, Lane, TenantId, account_id, derive_id
from domain.ledger.commands import NO_POOL, Answer, Command, Kind, Leg, Op, Opening, Unit
from domain.ledger.model import FOREVER, Account, AccountKey, Effect, Event, Hold, HoldLeg, Ledger

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

WALLET = account_id("wallet", "w")
LINE = account_id("credit_line", "w")
GRANT = account_id("grant", "g")
TOKEN = account_id("token", "t")
USER = account_id("user", "u")
PAST = "2020-01-01T00:00:00+00:00"

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def new_id(name: object, *, days: int = 0, day: dt.date | None = None) -> EventId:
    """Give the UUIDv7 that belongs to a name, dated noon of a day."""
    date = day or dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
    milliseconds = (date - _EPOCH.date()).days * 86_400_000 + 43_200_000
    digest = hashlib.blake2b(repr(name).encode(), digest_size=10).hexdigest()
    text = f"{milliseconds:012x}7{digest[:3]}8{digest[4:19]}"
    return EventId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


class Sender:
    """Makes commands of one lane."""

    def __init__(self, tenant_id: int, lane: int | None = None) -> None:
        self.tenant_id = TenantId(tenant_id)
        self.lane = Lane(tenant_id if lane is None else lane)

    def hold(self, name: object, *legs: Leg, days: int = 0, **fields: Any) -> Command:
        hold_id = new_id(name, days=days)
        return self._command(Kind.HOLD, hold_id, hold_id=HoldId(hold_id), legs=legs, **fields)

    def end(self, name: object, money_nanos: int = 0, *, days: int = 0, **fields: Any) -> Command:
        return self._terminal(Kind.END, name, days, money_nanos=money_nanos, **fields)

    def expire(self, name: object, *, days: int = 0, **fields: Any) -> Command:
        return self._terminal(Kind.EXPIRE, name, days, **fields)

    def post(self, name: object, *legs: Leg, days: int = 0, **fields: Any) -> Command:
        return self._command(Kind.POST, new_id(name, days=days), legs=legs, **fields)

    def _terminal(self, kind: Kind, name: object, days: int, **fields: Any) -> Command:
        hold_id = new_id(name, days=days)
        return self._command(kind, derive_id(hold_id, "terminal"), hold_id=HoldId(hold_id), **fields)

    def _command(self, kind: Kind, event_id: EventId, **fields: Any) -> Command:
        given: dict[str, Any] = {
            "tenant_id": self.tenant_id,
            "lane": self.lane,
            "type": f"test.{kind.name.lower()}.v1",
            "data": b"{}",
            "actor": "system:test",
            "correlation_id": event_id,
            "causation_id": event_id,
        }
        return Command(kind=kind, event_id=event_id, **(given | fields))

    def wallet(self, credit_nanos: int, *openings: Opening, floor_nanos: int = 0) -> Command:
        """Open a wallet with one grant and a credit line, and the counters of a token and a user."""
        return self.post(
            "wallet",
            Leg(GRANT, credit_nanos),
            Leg(LINE, -floor_nanos, op=Op.FLOOR),
            pool_id=WALLET,
            openings=(member(GRANT), member(LINE, credit_line=True), counter(TOKEN), counter(USER), *openings),
        )


def member(account: AccountId, **fields: Any) -> Opening:
    return Opening(account, f"member:{account}", Unit.MONEY, pool_id=WALLET, **fields)


def counter(account: AccountId, unit: Unit = Unit.MONEY, **fields: Any) -> Opening:
    return Opening(account, f"counter:{account}", unit, **fields)


async def make_days(connection: Connection) -> None:
    """Make the partitions of every day that an event may be dated."""
    await connection.execute("SELECT ledger.create_days((now() AT TIME ZONE 'UTC')::date - 8, 11)")


async def call(connection: Connection, commands: Sequence[Command], function: str = "ledger.apply") -> list[Answer]:
    """Apply commands that are sorted by lane and tenant, with a copy of the function if one is named."""
    row = await connection.fetchrow(APPLY.replace("ledger.apply", function), *arguments(commands))
    assert row is not None
    return answers_of(row, commands)


async def read_ledger(connection: Connection, tenant_ids: Sequence[int]) -> Ledger:
    """Read the tables of some tenants as the state that the reference model keeps."""
    ledger = Ledger()
    for row in await connection.fetch("SELECT * FROM ledger.lane WHERE tenant_id = ANY ($1)", tenant_ids):
        ledger.open_lane(row["tenant_id"], row["lane"], _micros(row["last_at"]))
        ledger.lanes[row["tenant_id"], row["lane"]].head = row["head"]
    for row in await connection.fetch("SELECT * FROM ledger.account WHERE tenant_id = ANY ($1)", tenant_ids):
        account = _account(row)
        ledger.accounts[account.key] = account
    for row in await connection.fetch("SELECT * FROM ledger.hold WHERE tenant_id = ANY ($1)", tenant_ids):
        ledger.holds[row["tenant_id"], HoldId(str(row["hold_id"]))] = _hold(row)
    for row in await connection.fetch("SELECT * FROM ledger.event WHERE tenant_id = ANY ($1)", tenant_ids):
        ledger.events[row["tenant_id"], EventId(str(row["event_id"])), row["day"]] = _event(row)
    return ledger


def _account(row: asyncpg.Record) -> Account:
    return Account(
        key=AccountKey(row["tenant_id"], row["lane"], AccountId(str(row["account_id"]))),
        name=row["name"],
        unit=Unit(row["unit"]),
        posted=row["posted"],
        held=row["held"],
        open=row["open"],
        opened_at_micros=_micros(row["opened_at"]),
        expires_at_micros=_micros(row["expires_at"]),
        purge_at_micros=_micros(row["purge_at"]),
        pool_id=NO_POOL if row["pool_id"] is None else AccountId(str(row["pool_id"])),
        credit_line=row["credit_line"],
        priority=row["priority"],
        pool_floor=row["pool_floor"],
    )


def _hold(row: asyncpg.Record) -> Hold:
    legs = zip(row["accounts"], row["units"], row["pooled"], row["amounts"], strict=True)
    return Hold(
        row["lane"],
        _micros(row["deadline"]),
        AccountId(str(row["pool_id"])),
        tuple(HoldLeg(AccountId(str(account)), Unit(unit), pooled, amount) for account, unit, pooled, amount in legs),
    )


def _event(row: asyncpg.Record) -> Event:
    effects = zip(row["account_ids"], row["posted"], row["held"], strict=True)
    return Event(
        tenant_id=row["tenant_id"],
        lane=row["lane"],
        position=row["position"],
        event_id=EventId(str(row["event_id"])),
        day=row["day"],
        type=row["type"],
        digest=row["digest"],
        recorded_at_micros=_micros(row["recorded_at"]),
        effects=tuple(Effect(AccountId(str(account)), posted, held) for account, posted, held in effects),
    )


def _micros(time: dt.datetime) -> int:
    # asyncpg gives PostgreSQL's infinity as the largest datetime.
    return FOREVER if time.year == dt.MAXYEAR else (time - _EPOCH) // _MICROSECOND
