"""The operator of a running server: everything that root does over the REST API, in a line each."""

import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from tests.support.server import ServerProcess

PASSWORD = "a password of the operator"
FIRST_PASSWORD = "the first password of root"


class Customer:
    """A tenant and its API key."""

    def __init__(self, operator: "Operator", tenant: dict[str, Any], login: str, token: dict[str, Any]) -> None:
        self.operator = operator
        self.login = login
        """The name of the member whose key it is; the first password is FIRST_PASSWORD."""
        self.tenant_id: int = tenant["id"]
        self.token_id: str = token["id"]
        self.secret: str = token["secret"]

    async def balance(self) -> Any:
        return await self.operator.get(f"/tenants/{self.tenant_id}/balance")

    async def top_up(self, amount: str) -> None:
        await self.operator.pay(f"/tenants/{self.tenant_id}/top-ups", {"amount": amount})

    async def revoke(self) -> None:
        await self.operator.archive(f"/tokens/{self.token_id}")


class Operator:
    """Calls the REST API with a personal access token; whatever is not answered well fails the test."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = f"{url}/api"
        self._session = session
        self.headers: dict[str, str] = {}

    async def log_in(self, first_password: str, password: str = PASSWORD, *, login: str = "root") -> None:
        """Log in for the first time, change the password as one must, and make a key for the API."""
        session = await self.post("/login", {"login": login, "password": first_password})
        self.headers = {"x-csrf-token": session["csrf_token"]}
        await self.post("/password", {"current": first_password, "new": password})
        made = await self.post("/personal-tokens", {"name": "tests", "scopes": ["read", "write", "money", "secrets"]})
        self.headers = {"authorization": f"Bearer {made['secret']}"}

    async def get(self, path: str) -> Any:
        return await self._send("GET", path)

    async def post(self, path: str, body: Mapping[str, Any], **headers: str) -> Any:
        return await self._send("POST", path, body, headers)

    async def pay(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self.post(path, body, **{"idempotency-key": secrets.token_hex(8)})

    async def change(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change a thing from the version that it has."""
        return await self._send("PATCH", path, body, {"if-match": await self._version(path)})

    async def change_from(self, version: int, path: str, body: Mapping[str, Any]) -> Any:
        """Change a thing that only a list shows, from the version that it has there."""
        return await self._send("PATCH", path, body, {"if-match": f'"{version}"'})

    async def set(self, name: str, value: Any) -> Any:
        """Give a setting of the platform a value."""
        entries = (await self.get("/setting-values"))["items"]
        (version,) = (entry["version"] for entry in entries if entry["name"] == name)
        return await self._send("PUT", f"/setting-values/{name}", {"value": value}, {"if-match": f'"{version}"'})

    async def archive(self, path: str) -> Any:
        """Take a thing out of use."""
        return await self._send("DELETE", path, None, {"if-match": await self._version(path)})

    async def publish(self, models: Mapping[str, Mapping[str, Any]]) -> None:
        """Make a rate card of these models, in dollars per million tokens, the one that sells."""
        card = {"models": models, "effective_from": "2026-01-01T00:00:00Z"}
        present = (await self.get("/rate-cards?use=sale"))["items"]
        if present:
            newest = max(present, key=lambda each: (each["effective_from"], each["card_version"]))
            card["effective_from"] = newest["effective_from"]
            card |= {"series_id": newest["series_id"], "card_version": newest["card_version"] + 1}
        made = await self.post("/rate-cards", card)
        path = f"/rate-cards/{made['id']}"
        await self.post(f"{path}/publish", {"force": True}, **{"if-match": f'"{made["version"]}"'})

    async def channel(self, base_url: str, model: str, **more: Any) -> Any:
        """Connect a vendor that has one model."""
        given = {"name": f"{model} {secrets.token_hex(4)}", "type": "openai", "base_url": base_url, "key": "sk-vendor"}
        return await self.post("/channels", {**given, "models": [model], **more})

    async def customer(self, *, credit: str = "5", token: Mapping[str, Any] | None = None, **tenant: Any) -> Customer:
        """Make a tenant with credit, a member and their token; `token` and the rest are fields of token and tenant."""
        made = await self.post("/tenants", {"name": "Acme", **tenant})
        person = {"login": f"user-{made['id']}", "name": "A member", "password": FIRST_PASSWORD}
        member = await self.post(f"/tenants/{made['id']}/members", person)
        given = {"tenant_id": made["id"], "user_id": member["user_id"], "name": "a key", **(token or {})}
        key = await self.post("/tokens", given)
        customer = Customer(self, made, person["login"], key)
        if credit != "0":
            await customer.top_up(credit)
        return customer

    async def receipt(self, request_id: str | None) -> Any:
        """Give all that is known of a request."""
        assert request_id is not None
        return await self.get(f"/requests/{request_id}")

    async def _version(self, path: str) -> str:
        return f'"{(await self.get(path))["version"]}"'

    async def _send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        async with self._session.request(
            method, self._url + path, json=body, headers={**self.headers, **(headers or {})}
        ) as response:
            text = await response.text()
            assert response.status < 300, f"{method} {path}: {response.status} {text}"
            return await response.json() if text else None


def first_password_of(output: str) -> str:
    """Find the password of root in what the first start printed."""
    found = re.search(r"^ +Password +(\S+)", output, re.MULTILINE)
    assert found is not None, output
    return found[1]


@contextlib.asynccontextmanager
async def log_in(server: ServerProcess, first_password: str, *, login: str = "root") -> AsyncIterator[Operator]:
    """Be root, or somebody else, who logs in for the first time."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        operator = Operator(server.url, session)
        await operator.log_in(first_password, login=login)
        yield operator
