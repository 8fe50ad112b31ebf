"""What the first start makes: somebody who can do everything, prices, and all that one call needs to work at once.

Each step looks whether it was done, so that a start that was killed is taken up by the next one; a lock in the database
lets one process do it at a time, and should that lock fail, the ledger still refuses the second of two equal names.
"""

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from adapters.clock import now
from adapters.genai_prices import bundled_rate_card
from adapters.ids import new_id
from adapters.passwords import generate_password
from app.administration import Administration, new_token_secret, secret_hint, secret_sha256
from app.wallets import GrantTerms, Wallets
from domain.admin.entities import Channel, Group, Membership, PriceBook, Setting, Tenant, Token, User
from domain.admin.errors import NotFoundError
from domain.ids import PLATFORM, EntityId, EventId, TenantId, first_lane
from projections.entities import Entities
from projections.folder import advance, ensure

if TYPE_CHECKING:
    import asyncpg

    from domain.ports import Ledger

    Pool = asyncpg.Pool[asyncpg.Record]

ACTOR: Final = "system:bootstrap"
ROOT: Final = "root"
DEMO_TENANT: Final = TenantId(2)
"""The first tenant; later ones have numbers made from the time."""
DEMO_MODELS: Final = ("demo-chat", "demo-embedding")
DEMO_CHANNEL: Final = "Demo (built in)"
CREDIT_NANOS: Final = 5 * 10**9
_TOKEN_NAME: Final = "First call"  # noqa: S105 -- a name for people
_REASON: Final = "first start"
_LOCK: Final = 7_102
"""The advisory lock of the first start."""

_log = structlog.get_logger(__name__)


class Welcome:
    """What the operator is told once. It has secrets in it that exist nowhere else: print it, never log it."""

    def __init__(self, token: str, password: str | None) -> None:
        """Take the first token, and root's password unless the operator has chosen it."""
        self.token = token
        self.password = password

    def __repr__(self) -> str:
        """Show no secret."""
        return "Welcome(...)"

    def text(self, host: str, port: int) -> str:
        """Give what to print, with a first call that works when pasted."""
        base_url = _base_url(host, port)
        body = json.dumps({"model": DEMO_MODELS[0], "messages": [{"role": "user", "content": "Hello!"}]})
        password = self.password if self.password is not None else "the one in TALLYGATE_ROOT_PASSWORD"
        return f"""
Tallygate serves at {base_url}. What follows is shown once, so keep it:

  Login     {ROOT}
  Password  {password}  (to be changed at the first login)
  API key   {self.token}  (of the tenant "Demo", which has 5.00 USD of credit)

The first call goes to the built-in demo vendor, with no key and no network:

  curl {base_url}/v1/chat/completions \\
    -H 'Authorization: Bearer {self.token}' \\
    -H 'Content-Type: application/json' \\
    -d '{body}'

Next: open {base_url}/welcome in a browser: it leads to a vendor and a tenant of yours.
"""


async def bootstrap(
    administration: Administration,
    ledger: "Ledger",
    pool: "Pool",
    *,
    root_password: str | None,
    announce: Callable[["Welcome"], None] | None = None,
) -> "Welcome | None":
    """Make what a new installation needs, and give what to tell the operator; None if that was done before.

    `announce` gets the same before the start counts as complete: if the process is killed in between, the next start
    makes new secrets and announces those.
    """
    await ledger.open_lane(PLATFORM, first_lane(PLATFORM))
    await ensure(pool, [Entities()])
    await advance(pool, Entities(), PLATFORM, first_lane(PLATFORM))
    if await _is_complete(administration):
        return None
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await advance(pool, Entities(), PLATFORM, first_lane(PLATFORM))
        if await _is_complete(administration):
            return None
        steps = _FirstStart(administration, Wallets(ledger, pool))
        await steps.groups()
        await steps.prices()
        await steps.channel()
        password = root_password or generate_password()
        root_id = await steps.root(password)
        await steps.tenant(root_id)
        secret = await steps.token(root_id)
        await steps.credit()
        welcome = Welcome(secret, None if root_password else password)
        if announce is not None:
            announce(welcome)
        await steps.complete()
    _log.info("first_start_completed")
    return welcome


class _FirstStart:
    """The steps; each does nothing if its outcome is there."""

    def __init__(self, administration: Administration, wallets: Wallets) -> None:
        self._administration = administration
        self._wallets = wallets

    async def groups(self) -> None:
        for side in ("user", "channel"):
            there = await self._administration.list("group", owner=side, limit=500)
            if not any(group.entity.label == "default" for group in there.items):
                await self._create("group", Group(group_id=EntityId(""), side=side, label="default", name="Default"))

    async def prices(self) -> None:
        there = await self._administration.list("rate_card", owner="sale", limit=1)
        if there.items:
            return
        # From data in the package, and half a second of it: off the event loop.
        card = await asyncio.to_thread(bundled_rate_card)
        book = PriceBook(card_id=card.card_id, published=True, card=card)
        # Forced, for there is no earlier card and nobody to ask: the lint's findings stay to be read at any time.
        await self._create("rate_card", book, force=True)

    async def channel(self) -> None:
        there = await self._administration.list("channel", archived=None, limit=500)
        if any(channel.entity.type == "demo" for channel in there.items):
            return
        demo = Channel(channel_id=EntityId(""), name=DEMO_CHANNEL, type="demo", models=DEMO_MODELS)
        await self._create("channel", demo)

    async def root(self, password: str) -> EntityId:
        found = await self._administration.find("user", ROOT)
        if found is None:
            user = User(user_id=EntityId(""), login=ROOT, name="Root", platform_role="root", must_change_password=True)
            found = await self._create("user", user)
        root_id: EntityId = found.entity.user_id
        await self._administration.set_password(root_id, password, actor=ACTOR, reason=_REASON, must_change=True)
        return root_id

    async def tenant(self, root_id: EntityId) -> None:
        try:
            await self._administration.get("tenant", str(DEMO_TENANT), tenant_id=DEMO_TENANT)
        except NotFoundError:
            await self._create("tenant", Tenant(tenant_id=DEMO_TENANT, name="Demo"))

        def join(user: User) -> User:
            if any(place.tenant_id == DEMO_TENANT for place in user.memberships):
                return user
            return msgspec.structs.replace(user, memberships=(*user.memberships, Membership(DEMO_TENANT, "owner")))

        await self._administration.change("user", root_id, None, join, actor=ACTOR, reason=_REASON, tenant_id=PLATFORM)

    async def token(self, root_id: EntityId) -> str:
        """Give a new token's secret; what an interrupted start made is taken back, for nobody has seen its secret."""
        there = await self._administration.list("token", tenant_id=DEMO_TENANT, owner=root_id, search=_TOKEN_NAME)
        for token in there.items:
            await self._administration.archive(
                "token", token.entity_id, None, actor=ACTOR, reason=_REASON, tenant_id=DEMO_TENANT
            )
        secret = new_token_secret()
        await self._create(
            "token",
            Token(
                token_id=EntityId(""),
                tenant_id=DEMO_TENANT,
                user_id=root_id,
                name=_TOKEN_NAME,
                sha256=secret_sha256(secret),
                hint=secret_hint(secret),
            ),
        )
        return secret

    async def credit(self) -> None:
        moment = now()
        if (await self._wallets.balance(DEMO_TENANT, moment)).grants:
            return
        terms = GrantTerms(amount_nanos=CREDIT_NANOS, kind="promotional", reason=_REASON)
        await self._wallets.grant(
            tenant_id=DEMO_TENANT, event_id=EventId(new_id()), terms=terms, actor=ACTOR, now=moment
        )

    async def complete(self) -> None:
        await self._create("setting", Setting(setting_id=EntityId(""), name="setup_completed", value=True))

    async def _create(self, kind: str, entity: Any, *, force: bool = False) -> Any:
        return await self._administration.create(kind, entity, actor=ACTOR, reason=_REASON, force=force)


async def _is_complete(administration: Administration) -> bool:
    settings = await administration.list("setting", search="setup_completed", archived=None)
    return any(setting.entity.name == "setup_completed" and setting.entity.value for setting in settings.items)


def _base_url(host: str, port: int) -> str:
    """Give an address that this machine reaches the server by: one that listens everywhere is here, too."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- read, not listened on
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
