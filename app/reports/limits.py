"""Budgets and limits: what everybody may spend or do in the window that is open now, and how near they are to it.

The limits come from what is administered (few things have any: the index `entity_limited`), what was used of them from
the ledger's accounts, by their ids. A window in which nothing has happened yet has no account, and nothing used.
"""

import datetime as dt
import heapq
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from adapters.postgres.admin_store import LIVE
from domain.admin.entities import KINDS, Budget, Limits, Tenant, Token, User
from domain.billing_windows import window
from domain.ids import PLATFORM, AccountId, TenantId, account_id

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

Scope = Literal["tenant", "user", "token"]
Unit = Literal["money", "tokens", "requests", "slots"]
Period = Literal["minute", "day", "week", "month", "total"]

IS_LIMITED: Final = """(position('"budgets":[{'::bytea IN state) > 0 OR position('"limits":{"'::bytea IN state) > 0)"""
"""As the index has it. A quotation mark inside a name stands behind a backslash, so that only fields are found."""
_HAS_BUDGETS: Final = """position('"budgets":[{'::bytea IN e.state) > 0"""
_LIMITED: Final = f"""
SELECT kind, state FROM admin.entity
WHERE tenant_id = $1 AND kind = $2 AND generation = {LIVE} AND NOT archived
    AND kind IN ('tenant', 'user', 'token')
    AND {IS_LIMITED}
"""  # noqa: S608 -- constants only
_LIMITED_ANYWHERE: Final = f"""
SELECT kind, state FROM admin.entity
WHERE kind = ANY ($1::text[]) AND generation = {LIVE} AND NOT archived
    AND kind IN ('tenant', 'user', 'token')
    AND {IS_LIMITED}
"""  # noqa: S608 -- constants only
_MEMBERS: Final = f"""
SELECT e.kind, e.state FROM admin.entity_key AS k
JOIN admin.entity AS e ON e.entity_id = k.entity_id AND e.kind = 'user' AND e.tenant_id = k.tenant_id
    AND e.generation = k.generation
WHERE k.key = $1 AND k.kind = 'member' AND k.tenant_id = $2 AND k.generation = {LIVE} AND NOT e.archived
    AND {_HAS_BUDGETS}
"""  # noqa: S608 -- constants only
_ZONES: Final = f"""
SELECT state FROM admin.entity
WHERE kind = 'tenant' AND generation = {LIVE} AND entity_id = ANY ($1::text[])
"""  # noqa: S608 -- constants only
_USED: Final = """
SELECT account_id::text, posted, held FROM ledger.account WHERE account_id = ANY ($1::uuid[]) AND tenant_id = ANY ($2)
"""


_WHOLE: Final = 10**9
_PER_THOUSANDTH: Final = _WHOLE // 1000
_UNUSED: Final = (0, 0)


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit in its open window."""

    scope: Scope
    tenant_id: TenantId
    owner_id: str
    """The tenant's, user's or token's id."""
    owner_name: str
    unit: Unit
    period: Period
    limit: int
    """Nano-units of money; else a count."""
    used: int
    held: int
    """Set aside for requests under way; not among `used`."""
    ends_at: dt.datetime | None
    """When the window ends; None: never."""

    @property
    def permille(self) -> int:
        """How much of it is used or held, in thousandths."""
        return nearness(self.limit, self.used + self.held) // _PER_THOUSANDTH


class Place(NamedTuple):
    """A place in the list, by what is there: what moves meanwhile neither repeats nor hides what does not."""

    nearness: int
    key: str
    """Tells a limit from every other one: scope, tenant, owner, unit and period."""


class _Wanted(msgspec.Struct, frozen=True):
    account: AccountId
    limit: Limit

    @property
    def key(self) -> str:
        limit = self.limit
        return f"{limit.scope}:{limit.tenant_id}:{limit.owner_id}:{limit.unit}:{limit.period}"


def nearness(limit: int, used: int) -> int:
    """Give how much of a limit is used, in 10^-9 of it; of a limit of nothing all is."""
    return used * _WHOLE // limit if limit else _WHOLE


async def read_limits(
    pool: "Pool",
    *,
    owner: "Pool",
    tenant_id: TenantId | None,
    user_id: str | None,
    scopes: Sequence[Scope],
    now: dt.datetime,
    unit: Unit | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> tuple[list[Limit], Place | None]:
    """Give a part of the limits of a tenant, or of all, those nearest to their limit first; and where it goes on.

    `user_id` leaves those of one member and of their tokens. People stand in the platform's lane, so they are read by
    the `owner` of the tables, and only what concerns the tenant is given.
    """
    things: list[Any] = []
    if "user" in scopes:
        if tenant_id is None:
            things += await _entities(owner, PLATFORM, "user")
        else:
            things += _decoded(await owner.fetch(_MEMBERS, str(tenant_id), PLATFORM))
    kinds = [kind for kind in ("tenant", "token") if kind in scopes]
    if tenant_id is None:
        if kinds:
            things += _decoded(await pool.fetch(_LIMITED_ANYWHERE, kinds))
    else:
        for kind in kinds:
            things += await _entities(pool, tenant_id, kind)
    wanted_of = _Windows(await _zones(pool, things, tenant_id), now)
    wanted = [
        each
        for thing in things
        for each in wanted_of.all(thing)
        if (tenant_id is None or each.limit.tenant_id == tenant_id) and _concerns(user_id, thing)
    ]
    wanted = [each for each in wanted if unit in {None, each.limit.unit}]
    rows = await pool.fetch(_USED, [each.account for each in wanted], sorted({each.limit.tenant_id for each in wanted}))
    used = {account: (-posted, held) for account, posted, held in rows}
    places = []
    for n, each in enumerate(wanted):
        place = Place(nearness(each.limit.limit, sum(used.get(each.account, _UNUSED))), each.key)
        if after is None or _order(place) > _order(after):
            places.append((_order(place), place, n))
    part = heapq.nsmallest(limit + 1, places)
    found = []
    for _, _, n in part[:limit]:
        spent, held = used.get(wanted[n].account, _UNUSED)
        found.append(msgspec.structs.replace(wanted[n].limit, used=spent, held=held))
    return found, part[limit - 1][1] if len(part) > limit else None


def _order(place: Place) -> tuple[int, str]:
    return -place.nearness, place.key


def _concerns(user_id: str | None, thing: Tenant | User | Token) -> bool:
    if user_id is None:
        return True
    return not isinstance(thing, Tenant) and thing.user_id == user_id


async def _entities(pool: "Pool", tenant_id: TenantId, kind: str) -> list[Any]:
    return _decoded(await pool.fetch(_LIMITED, tenant_id, kind))


def _decoded(rows: Sequence[Any]) -> list[Any]:
    return [msgspec.json.decode(row["state"], type=KINDS[row["kind"]]) for row in rows]


async def _zones(pool: "Pool", things: Sequence[Any], tenant_id: TenantId | None) -> dict[TenantId, str]:
    """Give the time zone of each tenant that windows are of."""
    tenants = {tenant_id} if tenant_id is not None else {place for thing in things for place in _places(thing)}
    rows = await pool.fetch(_ZONES, [str(each) for each in tenants])
    found: list[Tenant] = [msgspec.json.decode(row["state"], type=Tenant) for row in rows]
    return {each.tenant_id: each.time_zone for each in found}


def _places(thing: Tenant | User | Token) -> list[TenantId]:
    return [each.tenant_id for each in thing.memberships] if isinstance(thing, User) else [thing.tenant_id]


class _Owner(NamedTuple):
    """Whose limits they are."""

    scope: Scope
    tenant_id: TenantId
    account: str
    """As accounts name it."""
    owner_id: str
    name: str


class _Windows:
    """Names the accounts of the windows that are open now, as `domain.limits` does for a request."""

    def __init__(self, zones: dict[TenantId, str], now: dt.datetime) -> None:
        self._zones = zones
        self._now = now

    def all(self, thing: Tenant | User | Token) -> Iterator[_Wanted]:
        match thing:
            case Tenant():
                number = str(thing.tenant_id)
                owner = _Owner("tenant", thing.tenant_id, number, number, thing.name)
                yield from self._limits(owner, thing.limits)
                yield from self._budgets(owner, thing.budgets)
            case Token(revoked=False):
                owner = _Owner("token", thing.tenant_id, thing.token_id, thing.token_id, thing.name)
                yield from self._limits(owner, thing.limits)
                yield from self._budgets(owner, thing.budgets)
            case User():
                for place in thing.memberships:
                    account = f"{place.tenant_id}:{thing.user_id}"
                    owner = _Owner("user", place.tenant_id, account, thing.user_id, thing.name)
                    yield from self._budgets(owner, place.budgets)
            case _:
                pass

    def _limits(self, owner: _Owner, limits: Limits) -> Iterator[_Wanted]:
        rates: tuple[tuple[str, Unit, Period, int | None], ...] = (
            ("rpm", "requests", "minute", limits.requests_per_minute),
            ("tpm", "tokens", "minute", limits.tokens_per_minute),
            ("concurrency", "slots", "total", limits.concurrency),
        )
        for kind, unit, period, limit in rates:
            if limit is not None:
                yield self._wanted(f"{kind}.{owner.scope}", owner, unit, period, limit)

    def _budgets(self, owner: _Owner, budgets: Sequence[Budget]) -> Iterator[_Wanted]:
        for each in budgets:
            kind = f"budget.{owner.scope}.{each.unit}.{each.period}"
            yield self._wanted(kind, owner, each.unit, each.period, each.amount)

    def _wanted(self, kind: str, owner: _Owner, unit: Unit, period: Period, limit: int) -> _Wanted:
        held = window(period, self._now, self._zones.get(owner.tenant_id, "UTC"))
        return _Wanted(
            account_id(kind, owner.account, held.key),
            Limit(
                scope=owner.scope,
                tenant_id=owner.tenant_id,
                owner_id=owner.owner_id,
                owner_name=owner.name,
                unit=unit,
                period=period,
                limit=limit,
                used=0,
                held=0,
                ends_at=held.ends_at,
            ),
        )
