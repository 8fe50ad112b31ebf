"""A small business on a real server, made by real calls: what the pages of the console have to show."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp

from tests.support.fake_vendor import FakeVendor
from tests.support.operator import FIRST_PASSWORD, PASSWORD, Operator, log_in
from tests.support.server import ServerProcess

ROLES: Final = ("root", "owner", "viewer")
_PRICES: Final = {
    "demo-chat": {"input": "0.15", "output": "0.60"},
    "demo-embedding": {"input": "0.02"},
    "aurora-large": {"input": "3", "cached_input": "0.30", "output": "15"},
    "aurora-mini": {"input": "0.25", "output": "1.25"},
    "qwen-plus": {"input": "0.40", "output": "1.20"},
}


class World:
    """Who and what there is: the ids that paths of pages are filled with, and how to log in."""

    def __init__(self, server: ServerProcess, root: Operator) -> None:
        self.server = server
        self.root = root
        self.ids: dict[str, str] = {}
        """By the name of a parameter of a path, such as `tenantId`."""
        self.logins: dict[str, str] = {"root": "root"}

    @property
    def url(self) -> str:
        return self.server.url


@contextlib.asynccontextmanager
async def business(server: ServerProcess) -> AsyncIterator[World]:
    """Found the business on a fresh server whose root has the first password FIRST_PASSWORD."""
    async with log_in(server, FIRST_PASSWORD) as root, FakeVendor() as vendor:
        world = World(server, root)
        await _offer(world, f"{vendor.base_url}/v1")
        tenant_id, secret = await _customers(world)
        await _sell(world, tenant_id)
        await _use(world, secret)
        await _change(world, tenant_id)
        yield world


async def _offer(world: World, vendor_url: str) -> None:
    """Set up models, channels, prices and groups."""
    root = world.root
    await root.publish(_PRICES)
    for side, label, name in (("user", "gold", "Gold"), ("channel", "premium", "Premium")):
        made = await root.post("/groups", {"side": side, "label": label, "name": name})
        world.ids["groupId"] = made["id"]
    for user, channel, multiplier in (
        ("gold", "default", "0.9"),
        ("gold", "premium", "0.8"),
        ("default", "all", "1.2"),
    ):
        made = await root.post("/multipliers", {"user_group": user, "channel_group": channel, "multiplier": multiplier})
        world.ids["multiplierId"] = made["id"]
    channel = await root.channel(
        vendor_url, "aurora-large", name="Aurora, first account", models=["aurora-large", "aurora-mini"]
    )
    world.ids["channelId"] = channel["id"]
    # It fails each time: what it was asked for is served by the next one.
    await root.channel(
        vendor_url,
        "aurora-large",
        name="Aurora, second account",
        model_map={"aurora-large": "fake:error,status=500"},
        priority=10,
    )
    await root.channel(vendor_url, "qwen-plus", name="通义千问", channel_groups=["default", "premium"])
    made = await root.post("/mappings", {"model": "best", "target": "aurora-large"})
    world.ids["mappingId"] = made["id"]
    policy = await root.post("/routing/policies", {"name": "Cheap first", "model": "aurora-mini", "mode": "cheapest"})
    world.ids["policyId"] = policy["id"]
    draft = await root.post(
        "/rate-cards", {"source": "price list of May", "models": _PRICES, "effective_from": _day(30), "card_version": 9}
    )
    world.ids["cardId"] = draft["id"]


async def _customers(world: World) -> tuple[int, str]:
    """Make tenants with their people and keys; give the one whose pages are looked at, and a secret of it."""
    root = world.root
    names = ("Northwind Analytics", "青石科技有限公司", "Blue Harbor Legal", "Fjord Robotics", "Empty Inc.")
    tenants = [
        await root.post("/tenants", {"name": name, "user_group": "gold" if n < 2 else "default"})
        for n, name in enumerate(names)
    ]
    tenant_id: int = tenants[0]["id"]
    world.ids["tenantId"] = str(tenant_id)
    world.ids["period"] = "current"
    for role in ("owner", "viewer", "member"):
        login = f"{role}@northwind.example"
        member = await root.post(
            f"/tenants/{tenant_id}/members",
            {"login": login, "name": f"Nora {role.title()}", "password": FIRST_PASSWORD, "role": role},
        )
        world.ids["userId"] = member["user_id"]
        if role in ROLES:
            world.logins[role] = login
            async with log_in(world.server, FIRST_PASSWORD, login=login):
                pass
    await root.post(f"/tenants/{tenant_id}/invitations", {"login": "new@northwind.example", "role": "member"})
    for tenant in tenants[1:4]:
        person = {"login": f"owner-{tenant['id']}", "name": "王小明", "password": FIRST_PASSWORD, "role": "owner"}
        await root.post(f"/tenants/{tenant['id']}/members", person)
        await root.pay(f"/tenants/{tenant['id']}/top-ups", {"amount": "250"})
    key = {
        "tenant_id": tenant_id,
        "user_id": world.ids["userId"],
        "name": "production",
        "limits": {"requests_per_minute": 600},
        "budgets": [{"unit": "money", "period": "month", "amount": "50"}],
        "tags": ["prod", "europe"],
    }
    made = await root.post("/tokens", key)
    world.ids["tokenId"] = made["id"]
    await root.post("/tokens", {"tenant_id": tenant_id, "user_id": world.ids["userId"], "name": "notebook"})
    return tenant_id, made["secret"]


async def _sell(world: World, tenant_id: int) -> None:
    """Move money in all the ways there are."""
    root = world.root
    await root.pay(f"/tenants/{tenant_id}/top-ups", {"amount": "100", "reference": "INV-2026-0042"})
    grant = {"amount": "5", "kind": "promotional", "priority": 10, "expires_at": _day(60), "reason": "welcome"}
    await root.pay(f"/tenants/{tenant_id}/grants", grant)
    await root.pay(
        f"/tenants/{tenant_id}/adjustments", {"amount": "12.50", "reason": "paid twice", "reference": "INV-2026-0042"}
    )
    batch = await root.post("/code-batches", {"name": "Trade fair", "count": 5, "amount": "10", "expires_at": _day(90)})
    world.ids["batchId"] = batch["id"]
    world.ids["period"] = "current"
    await root.pay(f"/tenants/{tenant_id}/redeem", {"code": batch["codes"][0]})


async def _use(world: World, secret: str) -> None:
    """Call models: answers, streams, a failover, embeddings, and refusals."""
    asked: list[tuple[str, Mapping[str, Any]]] = []
    for model in ("demo-chat", "aurora-large", "aurora-mini", "qwen-plus", "best"):
        asked += [("chat/completions", _chat(model, f"Question {n}: what is a ledger?")) for n in range(4)]
        asked.append(("chat/completions", _chat(model, "Tell me a story.", stream=True)))
    asked.append(("embeddings", {"model": "demo-embedding", "input": ["one", "two"]}))
    asked.append(("chat/completions", _chat("no-such-model", "Hello?")))
    headers = {"authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for path, body in asked:
            async with session.post(f"{world.url}/v1/{path}", json=body) as response:
                await response.read()
                request_id = response.headers.get("x-tallygate-request-id")
                if response.status == 200 and request_id is not None:
                    world.ids["requestId"] = request_id


async def _change(world: World, tenant_id: int) -> None:
    """Change a few things, so that histories are not empty."""
    root = world.root
    await root.change(f"/tenants/{tenant_id}", {"time_zone": "Europe/Berlin", "reason": "contract 2026-17"})
    await root.change(f"/channels/{world.ids['channelId']}", {"priority": 5, "reason": "the better one"})
    made = await root.post(
        "/announcements",
        {"title": "Maintenance on Sunday", "body": "From **02:00 to 03:00 UTC**.", "audience": "everyone"},
    )
    world.ids["announcementId"] = made["id"]
    await root.set("site_footer", "Tallygate of *Example GmbH* · [Terms](https://example.com/terms)")
    await root.set("site_links", '[{"label": "Handbook", "url": "https://example.com/handbook"}]')
    await root.set("sign_up_open", value=True)


def _chat(model: str, text: str, *, stream: bool = False) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}


def _day(days: int) -> str:
    day = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=days)
    return day.isoformat()


def password_of(role: str) -> str:
    """Give the password of a role, after the first one was changed."""
    return PASSWORD if role in ROLES else FIRST_PASSWORD
