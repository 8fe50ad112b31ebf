import datetime as dt
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import now
from adapters.vault import Vault
from app.catalog import Catalog
from app.relay.authentication import Authenticator
from app.relay.errors import ApiError
from tests.app.api.conftest import Person, World


class _Exchange:
    """A request that has only a key."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.headers: dict[bytes, bytes] = {}
        self.peer = "127.0.0.1"

    def credential(self) -> bytes:
        return self._secret


class _Gate:
    """The gateway's door on another node, at a time of the test's choosing."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.now = now()
        self._authenticator = Authenticator(catalog, now=lambda: self.now, trusted_proxies=())

    async def lets_in(self, secret: str) -> bool:
        await self.catalog.refresh()
        try:
            await self._authenticator.context(_Exchange(secret))  # type: ignore[arg-type]  # all that is asked of one
        except ApiError:
            return False
        return True


@pytest.fixture
async def gate(world: World, tmp_path: Path) -> AsyncIterator[_Gate]:
    catalog = Catalog(world.pool, Vault.open(tmp_path / "secret.key"))
    await catalog.start()
    yield _Gate(catalog)
    await catalog.stop()


async def _token(world: World, root: Person, **terms: Any) -> dict[str, Any]:
    tenant = await world.tenant()
    user = await world.user(tenants={tenant: "member"})
    answer = await root.post("/tokens", {"tenant_id": tenant, "user_id": user.user_id, "name": "t", **terms})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_rotated_key_keeps_its_terms_and_both_secrets_work_until_the_overlap_ends(
    world: World, root: Person, gate: _Gate
) -> None:
    made = await _token(world, root, tags=["ci"], models=["gpt-x"])
    assert await gate.lets_in(made["secret"])

    answer = await root.post(f"/tokens/{made['id']}/rotate", {"overlap_seconds": 3600}, if_match='"1"')

    rotated = answer.json()
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"2"'
    assert rotated["secret"] != made["secret"]
    assert rotated["hint"].endswith(rotated["secret"][-4:])
    same = {name: rotated[name] for name in ("id", "tags", "models", "budgets", "name", "user_id")}
    assert same == {name: made[name] for name in same}
    assert [await gate.lets_in(each["secret"]) for each in (made, rotated)] == [True, True]
    gate.now = dt.datetime.fromisoformat(rotated["previous_until"])
    assert [await gate.lets_in(each["secret"]) for each in (made, rotated)] == [False, True]


async def test_rotation_without_overlap_ends_the_former_secret_and_a_second_one_the_one_before(
    world: World, root: Person, gate: _Gate
) -> None:
    first = await _token(world, root)
    path = f"/tokens/{first['id']}/rotate"
    second = (await root.post(path, {"overlap_seconds": 60}, if_match='"1"')).json()
    third = (await root.post(path, {"overlap_seconds": 60}, if_match='"2"')).json()

    assert [await gate.lets_in(each["secret"]) for each in (first, second, third)] == [False, True, True]

    fourth = (await root.post(path, {"overlap_seconds": 0}, if_match='"3"')).json()

    assert fourth["previous_until"] is None
    assert [await gate.lets_in(each["secret"]) for each in (second, third, fourth)] == [False, False, True]


async def test_revoking_ends_both_secrets(world: World, root: Person, gate: _Gate) -> None:
    made = await _token(world, root)
    rotated = (await root.post(f"/tokens/{made['id']}/rotate", {}, if_match='"1"')).json()
    await root.patch(f"/tokens/{made['id']}", {"revoked": True}, 2)

    assert [await gate.lets_in(each["secret"]) for each in (made, rotated)] == [False, False]
    again = await root.post(f"/tokens/{made['id']}/rotate", {}, if_match='"3"')
    assert (again.status_code, again.json()["code"]) == (422, "invalid")


async def test_rotation_needs_the_version_and_the_right_to_write(world: World, root: Person) -> None:
    made = await _token(world, root)
    path = f"/tokens/{made['id']}/rotate"
    stranger = await world.person(tenants={await world.tenant("Other"): "owner"})
    auditor = await world.person("auditor")

    answers = [
        await root.post(path, {}),
        await root.post(path, {}, if_match='"7"'),
        await stranger.post(path, {}, if_match='"1"'),
        await auditor.post(path, {}, if_match='"1"'),
        await root.post(path, {"overlap_seconds": 31 * 86_400}, if_match='"1"'),
    ]

    assert [answer.status_code for answer in answers] == [428, 412, 404, 403, 400]


async def test_no_secret_of_a_rotation_is_stored_or_shown_again(world: World, root: Person) -> None:
    made = await _token(world, root)
    rotated = (await root.post(f"/tokens/{made['id']}/rotate", {"reason": "yearly"}, if_match='"1"')).json()

    history = await root.get(f"/tokens/{made['id']}/history")
    shown = history.text + (await root.get("/tokens")).text
    stored = await world.pool.fetchval(
        "SELECT string_agg(convert_from(data, 'UTF8'), '') FROM ledger.event WHERE type LIKE 'token.%'"
    )
    assert history.json()["items"][0]["reason"] == "yearly"
    assert all(each["secret"] not in shown + stored for each in (made, rotated))
    assert hashlib.sha256(rotated["secret"].encode()).hexdigest() not in shown
