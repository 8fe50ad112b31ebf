"""/api/setup and what a beginning takes: a tenant with its first key in one step, and a key to try things with."""

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from adapters.postgres.admin_store import Stored
from adapters.postgres.row_security import owner_of
from app.administration import new_token_secret, secret_hint, secret_sha256
from app.api.call import NO_STORE, Call, ThisCall, route
from app.api.idempotency import IdempotencyKey, once
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.common import Amount, Budgets, Name, Reasoned, budgets_in
from app.api.schemas.tenants import TenantView
from app.api.schemas.tokens import TokenView
from app.api.tenants import TENANTS
from app.api.tokens import PLAYGROUND, TOKENS
from app.reports.beginning import Answered, read_beginning
from app.wallets import GrantTerms
from domain.admin.entities import Budget, Label, Limits, Membership, Tenant, Token, User
from domain.admin.errors import NameTakenError, VersionConflictError
from domain.errors import TallygateError
from domain.ids import PLATFORM, EntityId, EventId, TenantId, derive_id
from domain.money import parse_amount
from domain.ports import LedgerUnavailableError

PLAYGROUND_SECONDS: Final = 3600
PLAYGROUND_NANOS_PER_DAY: Final = 2 * 10**9
PLAYGROUND_AT_ONCE: Final = 4
_PLAYGROUND_TRIES: Final = 20
_NAME: Final = "Playground"
_TenantPath = Annotated[int, PathParameter(ge=1, le=2**53 - 1)]

# ---- How far a new installation has come


class FirstCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was answered."""

    request_id: str
    tenant_id: TenantId
    at: dt.datetime
    model_asked: str


class SetupView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a new installation has come: what the first steps and the check list of the console are made of."""

    demo_channels: int
    """Channels of the built-in vendor that are there; removing them ends the demonstration."""
    vendor_channels: int
    """Channels of real vendors that are switched on."""
    vendor_models: int
    """Models that they serve."""
    unpriced_models: tuple[str, ...]
    """Models that are served, and that the rate card in force has no price for: at most fifty."""
    tenants: int
    """But for the one that the first start made."""
    tokens: int
    """Likewise."""
    first_call: FirstCall | None
    """The first request that was answered, by whatever vendor."""
    last_call: FirstCall | None
    vendor_called: bool
    """Whether a channel of a real vendor has answered one."""
    budgets: bool
    """Whether any tenant, member or key has a budget or limit."""
    people: int
    """Persons that can log in."""
    invitations: int
    """Invitations that were ever made."""
    alerts: bool
    """Whether alerts are told anywhere but in the log."""
    mail: bool
    """Whether there is a mail server."""


@get("/setup", **route(Permission.SETTING_READ, "getSetup", "How far a new installation has come"))
async def setup(call: ThisCall) -> SetupView:
    found = await read_beginning(owner_of(call.api.pool), call.api.clock())
    desk = call.api.routing
    return SetupView(
        demo_channels=found.demo_channels,
        vendor_channels=found.vendor_channels,
        vendor_models=found.vendor_models,
        unpriced_models=found.unpriced_models,
        tenants=found.tenants,
        tokens=found.tokens,
        first_call=_call(found.first_call),
        last_call=_call(found.last_call),
        vendor_called=found.vendor_called,
        budgets=found.budgets,
        people=found.people,
        invitations=found.invitations,
        alerts=desk is not None and len(desk.sinks) > 1,
        mail=call.api.sends_mail,
    )


def _call(found: Answered | None) -> FirstCall | None:
    if found is None:
        return None
    return FirstCall(request_id=found.request_id, tenant_id=found.tenant_id, at=found.at, model_asked=found.model_asked)


# ---- A tenant and its first key


class Starter(Reasoned, frozen=True, kw_only=True):
    """A tenant whose owner one becomes, with a first key, and credit if wished."""

    name: Name
    user_group: Label = "default"
    time_zone: str = "UTC"
    token_name: Name = "First key"  # noqa: S105 -- a name for people
    models: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1000)] | None = None
    """Models that the key may ask for; null is all."""
    budgets: Budgets = ()
    """Of the key."""
    credit: Amount | None = None
    """Promotional credit to begin with; needs the permission `credit:grant`."""


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What was made."""

    tenant: TenantView
    token: TokenView
    secret: str | None
    """The key; null in the answer to a repetition, for it is shown once: `rotate` gives a new one."""
    credit: Amount | None


@post(
    "/tenants/start",
    **route(
        Permission.TENANT_CREATE, "startTenant", "Make a tenant with a first key in one step, all or none", 409, 422,
        secrets=True,
    ),
)  # fmt: skip
async def start_tenant(
    call: ThisCall, data: JSONBody[Starter], idempotency_key: IdempotencyKey = None
) -> Response[Started]:
    principal = call.principal
    if not principal.may(Permission.TOKEN_WRITE) or (
        data.credit is not None and not principal.may(Permission.CREDIT_GRANT)
    ):
        raise ApiError("forbidden")
    if data.credit is not None and parse_amount(data.credit) <= 0:
        raise ApiError("amount_not_positive")
    fresh: list[str] = []

    async def run(event_id: EventId) -> Started:
        made, secret = await _Start(call, data, event_id).run()
        fresh.append(secret)
        return made

    made = await once(call, idempotency_key, ("start", PLATFORM), data, answers=Started, run=run)
    # The secret is in no table: only who has just made it can tell it.
    answer = msgspec.structs.replace(made, secret=fresh[0]) if fresh else made
    return Response(answer, status_code=201, headers=dict(NO_STORE))


class _Start:
    """Makes what is missing of a beginning, each thing under an id that comes from one.

    So whoever was cut off goes on by asking again; what is refused half-way is taken back.
    """

    def __init__(self, call: Call, data: Starter, event_id: EventId) -> None:
        self._call = call
        self._data = data
        self._event_id = event_id

    async def run(self) -> tuple[Started, str]:
        call, data = self._call, self._data
        administration = call.api.administration
        tenant = Tenant(tenant_id=TenantId(0), name=data.name, user_group=data.user_group, time_zone=data.time_zone)
        stored = await TENANTS.create(call, tenant, data.reason, event_id=derive_id(self._event_id, "start-tenant"))
        if stored.archived:
            # It was taken back, and is now asked for again.
            stored = await administration.restore(
                "tenant", stored.entity_id, stored.version, tenant_id=stored.tenant_id, **self._said()
            )
        try:
            await self._places(stored.tenant_id, join=True)
            token, secret = await self._token(stored.tenant_id)
            if data.credit is not None:
                await self._credit(stored.tenant_id)
        except TallygateError as refusal:
            if not isinstance(refusal, LedgerUnavailableError):
                await self._take_back(stored)
            raise
        started = Started(tenant=TENANTS.view(stored), token=TOKENS.view(token), secret=None, credit=data.credit)
        return started, secret

    def _said(self) -> dict[str, Any]:
        call = self._call
        return {
            "actor": call.principal.actor,
            "reason": self._data.reason,
            "correlation_id": call.correlation_id,
        }

    async def _places(self, tenant_id: TenantId, *, join: bool) -> None:
        """Become the tenant's owner, or be it no more."""

        def moved(user: User) -> User:
            others = tuple(place for place in user.memberships if place.tenant_id != tenant_id)
            places = (*others, Membership(tenant_id, "owner")) if join else others
            return msgspec.structs.replace(user, memberships=places)

        user_id = self._call.principal.user.user_id
        await self._call.api.administration.change("user", user_id, None, moved, tenant_id=PLATFORM, **self._said())

    async def _token(self, tenant_id: TenantId) -> tuple[Stored, str]:
        data, secret = self._data, new_token_secret()
        wanted = Token(
            token_id=EntityId(""),
            tenant_id=tenant_id,
            user_id=self._call.principal.user.user_id,
            name=data.token_name,
            sha256=secret_sha256(secret),
            hint=secret_hint(secret),
            models=data.models,
            budgets=budgets_in(data.budgets),
        )
        stored = await TOKENS.create(self._call, wanted, data.reason, event_id=derive_id(self._event_id, "start-token"))
        if stored.entity.sha256 != wanted.sha256:
            # It was made before, and its secret was told to nobody.
            stored = await self._call.api.administration.change(
                "token",
                stored.entity_id,
                None,
                lambda token: msgspec.structs.replace(token, sha256=wanted.sha256, hint=wanted.hint),
                tenant_id=tenant_id,
                **self._said(),
            )
        return stored, secret

    async def _credit(self, tenant_id: TenantId) -> None:
        await self._call.api.wallets.grant(
            tenant_id=tenant_id,
            event_id=derive_id(self._event_id, "start-credit"),
            terms=GrantTerms(
                amount_nanos=parse_amount(self._data.credit or "0"), kind="promotional", reason=self._data.reason
            ),
            actor=self._call.principal.actor,
            now=self._call.api.clock(),
        )

    async def _take_back(self, tenant: Stored) -> None:
        await self._places(tenant.tenant_id, join=False)
        await self._call.api.administration.archive(
            "tenant", tenant.entity_id, None, tenant_id=tenant.tenant_id, **self._said()
        )


# ---- A key to try things with


class PlaygroundKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that works for an hour, for trying models from the console."""

    token: TokenView
    secret: str
    expires_at: dt.datetime


@post(
    "/tenants/{tenant_id:int}/playground-key",
    **route(
        Permission.OWN_TOKEN_WRITE, "createPlaygroundKey", "Get a key for an hour, to try models with", 404, 409, 422,
        within="tenant", session_only=True,
    ),
)  # fmt: skip
async def create_playground_key(call: ThisCall, tenant_id: _TenantPath) -> Response[PlaygroundKey]:
    tenant, user = TenantId(tenant_id), call.principal.user
    if tenant not in call.principal.tenant_ids:
        raise ApiError("conflict", "Only members of a tenant try things with its money: become one first.")
    secret = new_token_secret()
    until = call.api.clock() + dt.timedelta(seconds=PLAYGROUND_SECONDS)
    fresh: dict[str, Any] = {
        "sha256": secret_sha256(secret),
        "hint": secret_hint(secret),
        "expires_at": until.isoformat(),
    }
    for _ in range(_PLAYGROUND_TRIES):
        # Whoever is refused has come second to the same person's other call: it finds what that one has left.
        with contextlib.suppress(NameTakenError, VersionConflictError):
            stored = await _playground_key(call, tenant, user, fresh)
            view = PlaygroundKey(token=TOKENS.view(stored), secret=secret, expires_at=until)
            return Response(view, status_code=201, headers=dict(NO_STORE))
    raise ApiError("conflict", "This key is asked for too many times at once: ask again.")


async def _playground_key(call: Call, tenant: TenantId, user: User, fresh: Mapping[str, Any]) -> Stored:
    """Give this person's key a new secret and hour, or make it; NameTakenError if that happens twice at once.

    One key for each person and tenant, ever, until it is revoked: its budget of a day holds however often it gets a new
    secret. A new one's id follows from the one before, so that the ledger lets only one of two calls make it.
    """
    administration = call.api.administration
    page = await administration.list(
        "token", tenant_id=tenant, owner=user.user_id, filters={"tags": PLAYGROUND}, archived=None, limit=1
    )
    last = page.items[0] if page.items else None
    said: dict[str, Any] = {
        "actor": call.principal.actor,
        "reason": "to try models",
        "correlation_id": call.correlation_id,
    }
    if last is not None and not last.archived and not last.entity.revoked:
        return await administration.change(
            "token",
            last.entity_id,
            None,
            lambda token: msgspec.structs.replace(token, **fresh, previous_sha256="", previous_until=None),
            tenant_id=tenant,
            **said,
        )
    before = last.entity_id if last is not None else user.user_id
    token = Token(
        token_id=EntityId(derive_id(before, f"playground:{tenant}")),
        tenant_id=tenant,
        user_id=user.user_id,
        name=_NAME,
        limits=Limits(concurrency=PLAYGROUND_AT_ONCE),
        budgets=(Budget("money", "day", PLAYGROUND_NANOS_PER_DAY),),
        tags=(PLAYGROUND,),
        **fresh,
    )
    return await administration.create("token", token, **said)


ROUTES: Sequence[BaseRouteHandler] = (setup, start_tenant, create_playground_key)
