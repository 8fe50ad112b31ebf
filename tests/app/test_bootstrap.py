"""The first start, whole, raced and interrupted at each step."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from adapters.clock import now
from adapters.genai_prices import bundled_rate_card
from app import bootstrap as module
from app.administration import secret_sha256
from app.bootstrap import CREDIT_NANOS, DEMO_TENANT, Welcome, bootstrap
from app.catalog import Catalog
from app.wallets import Wallets
from domain.accounts import tenant_account, token_account
from domain.admin.entities import Membership
from domain.ids import PLATFORM
from tests.support.office import Office, open_office

STEPS = ("groups", "prices", "channel", "root", "tenant", "token", "credit", "complete")


class _Killed(BaseException):
    """What nobody catches, as nobody survives kill -9."""


@pytest.fixture(autouse=True)
def small_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled prices are read once for all tests: that takes half a second."""
    monkeypatch.setattr(module, "bundled_rate_card", lambda: _CARD)


_CARD = bundled_rate_card()


@pytest.fixture
async def office(database: str) -> AsyncIterator[Office]:
    async with open_office(database) as opened:
        yield opened


async def start(office: Office, **more: Any) -> Welcome | None:
    fields: dict[str, Any] = {"root_password": None}
    return await bootstrap(office.administration, office.ledger, office.pool, **(fields | more))


async def check_complete(office: Office, welcome: Welcome, password: str) -> None:
    """Assert that everything is there, once, and that what was announced works."""
    administration = office.administration
    root = await administration.check_password("root", password)
    assert root is not None
    assert root.entity.platform_role == "root"
    assert root.entity.must_change_password
    assert root.entity.memberships == (Membership(DEMO_TENANT, "owner"),)
    for kind, count in (("user", 1), ("tenant", 1), ("channel", 1), ("group", 2), ("rate_card", 1), ("token", 1)):
        assert len((await administration.list(kind)).items) == count, kind
    balance = await Wallets(office.ledger, office.pool).balance(DEMO_TENANT, now())
    assert (balance.balance_nanos, len(balance.grants), balance.grants[0].kind) == (CREDIT_NANOS, 1, "promotional")

    catalog = Catalog(office.pool, office.vault)
    await catalog.start()
    context = await catalog.token(secret_sha256(welcome.token))
    assert context is not None
    assert not context.token.revoked
    assert not context.user_disabled
    assert await office.is_open(DEMO_TENANT, token_account(context.token.token_id))
    assert await office.is_open(DEMO_TENANT, tenant_account(DEMO_TENANT))
    snapshot = catalog.snapshot
    assert context.tenant.user_group in snapshot.user_groups
    card = snapshot.sale_card(now())
    assert card is not None
    for model in ("demo-chat", "demo-embedding"):
        assert [channel.type for channel in snapshot.channels(model)] == ["demo"]
        assert card.find(model) is not None
    await catalog.stop()


async def test_the_first_start_makes_all_that_the_first_call_needs(office: Office) -> None:
    welcome = await start(office)

    assert welcome is not None
    assert welcome.password is not None
    await check_complete(office, welcome, welcome.password)


async def test_a_chosen_password_is_used_and_not_shown(office: Office) -> None:
    welcome = await start(office, root_password="chosen by the operator")

    assert welcome is not None
    assert welcome.password is None
    assert "chosen by the operator" not in welcome.text("127.0.0.1", 3000)
    await check_complete(office, welcome, "chosen by the operator")


async def test_later_starts_make_nothing(office: Office) -> None:
    assert await start(office) is not None
    events = await office.events()

    assert await start(office, root_password="another password") is None
    assert await office.events() == events
    assert await office.administration.check_password("root", "another password") is None


async def test_of_processes_that_start_together_one_makes_everything(office: Office) -> None:
    welcomes = [welcome for welcome in await asyncio.gather(*(start(office) for _ in range(4))) if welcome is not None]

    assert len(welcomes) == 1
    assert welcomes[0].password is not None
    await check_complete(office, welcomes[0], welcomes[0].password)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_start_that_was_killed_is_taken_up(
    office: Office, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    original = getattr(module._FirstStart, step)

    async def killed(self: Any, *args: Any) -> None:
        if when == "after":
            await original(self, *args)
        raise _Killed

    announced: list[Welcome] = []
    with monkeypatch.context() as patched:
        patched.setattr(module._FirstStart, step, killed)
        with pytest.raises(_Killed):
            await start(office, announce=announced.append)

    welcome = await start(office, announce=announced.append)
    if (step, when) == ("complete", "after"):
        # All was done and announced before the end came.
        assert welcome is None
        welcome = announced[0]
    assert welcome is announced[-1]
    assert welcome.password is not None
    await check_complete(office, welcome, welcome.password)


async def test_no_secret_reaches_the_log_of_events(office: Office) -> None:
    welcome = await start(office)
    assert welcome is not None

    rows = await office.pool.fetch("SELECT convert_from(data, 'UTF8') AS text FROM ledger.event")
    for secret in (welcome.token, welcome.password):
        assert secret is not None
        assert not any(secret in row["text"] for row in rows)
        assert secret not in repr(welcome)


async def test_the_lock_of_the_first_start_is_waited_for(office: Office, database: str) -> None:
    other = await asyncpg.connect(database)
    try:
        async with other.transaction():
            await other.execute("SELECT pg_advisory_xact_lock($1)", module._LOCK)
            starting = asyncio.create_task(start(office))
            waiting = False
            async with asyncio.timeout(30):
                while not waiting:
                    waiting = await other.fetchval(
                        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
                    )
            assert await office.events(PLATFORM) == []
        assert await starting is not None
    finally:
        await other.close()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://[::1]:3000"),
        ("gateway.example.com", "http://gateway.example.com:3000"),
    ],
)
def test_the_curl_that_is_printed_can_be_pasted(host: str, url: str) -> None:
    text = Welcome("sk-tg-secret", "the password").text(host, 3000)

    pasted = re.search(r"curl .*?\}'", text, re.DOTALL)
    assert pasted is not None
    words = shlex.split(pasted.group().replace("\\\n", " "))
    assert words[:2] == ["curl", f"{url}/v1/chat/completions"]
    assert "Authorization: Bearer sk-tg-secret" in words
    assert json.loads(words[-1])["model"] == "demo-chat"
    assert "the password" in text
