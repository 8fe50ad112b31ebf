"""Proofs over the API: what is given out holds, and to those only who may have it."""

import asyncpg
import pytest

from adapters.ids import new_id
from adapters.seal_keys import SealKeys, from_pem
from app.sealer import Sealer
from domain.admin.entities import PlatformRole, TenantRole
from domain.ids import TenantId
from domain.proof.proofs import check
from tests.app.api.conftest import Person, World


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> SealKeys:
    return SealKeys.open(tmp_path_factory.mktemp("keys") / "seal.key")


@pytest.fixture
def sealer(world: World, keys: SealKeys) -> Sealer:
    return Sealer(world.pool, lambda: keys)


async def event_of(world: World, tenant_id: TenantId) -> str:
    """Give an event of a tenant's lane."""
    found: str = await world.pool.fetchval(
        "SELECT event_id::text FROM ledger.event WHERE tenant_id = $1 ORDER BY position LIMIT 1", tenant_id
    )
    return found


async def test_a_proof_that_was_given_out_can_be_checked_without_the_server(
    world: World, root: Person, sealer: Sealer, keys: SealKeys
) -> None:
    tenant_id = await world.tenant()
    event_id = await event_of(world, tenant_id)
    await sealer.seal_all()

    answer = await root.get(f"/events/{event_id}/proof")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert f"{event_id}.proof.json" in answer.headers["content-disposition"]
    verified = check(answer.content, keys.public_keys)
    assert (verified.event.event_id, verified.event.tenant_id, verified.trusted) == (event_id, tenant_id, True)
    shown = (await root.get("/seals/key")).json()["keys"]
    assert from_pem(shown[0]["pem"]) == keys.public_keys
    head = (await root.get("/seals/head")).json()
    assert (head["number"], head["hash"]) == (verified.seal_number, verified.seal_hash)


async def test_an_event_that_is_not_sealed_yet_says_when_to_ask_again(world: World, root: Person) -> None:
    event_id = await event_of(world, await world.tenant())

    answer = await root.get(f"/events/{event_id}/proof")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_sealed")
    assert int(answer.headers["retry-after"]) > 0
    assert (await root.get("/seals/head")).json() == {"number": 0, "hash": "0" * 64}
    assert (await root.get("/seals/key")).json() == {"keys": []}


@pytest.mark.parametrize("role", ["root", "admin", "auditor", "support"])
async def test_which_operators_may_have_proofs(world: World, sealer: Sealer, role: PlatformRole) -> None:
    event_id = await event_of(world, await world.tenant())
    await sealer.seal_all()
    person = await world.person(role)

    answer = await person.get(f"/events/{event_id}/proof")

    assert answer.status_code == (403 if role == "support" else 200)


@pytest.mark.parametrize("role", ["owner", "admin", "billing", "member", "viewer"])
async def test_which_members_may_have_proofs_and_of_their_own_tenant_only(
    world: World, sealer: Sealer, role: TenantRole
) -> None:
    own, other = await world.tenant("Own"), await world.tenant("Other")
    person = await world.person(tenants={own: role})
    await sealer.seal_all()
    mine, theirs = [await event_of(world, tenant_id) for tenant_id in (own, other)]

    answers = [(await person.get(f"/events/{event_id}/proof")).status_code for event_id in (mine, theirs, new_id())]

    assert answers == ([200, 404, 404] if role in {"owner", "admin", "billing"} else [403, 403, 403])
    assert (await person.get("/seals/key")).status_code == 200


@pytest.mark.parametrize("event_id", ["x", "0", "ffffffff-ffff-ffff-ffff-ffffffffffff", "%00", "01990000"])
async def test_what_is_no_event_is_not_found(root: Person, event_id: str) -> None:
    answer = await root.get(f"/events/{event_id}/proof")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE ledger.event SET actor = 'x' WHERE event_id = $1",
        "UPDATE ledger.event SET data = '\\xff' WHERE event_id = $1",
        "UPDATE ledger.event SET posted = array_append(posted, NULL) WHERE event_id = $1",
        "UPDATE ledger.event SET recorded_at = 'infinity' WHERE event_id = $1",
        "UPDATE proof.block SET leaves = '' WHERE $1::uuid IS NOT NULL",
        "UPDATE proof.block SET place = 99 WHERE $1::uuid IS NOT NULL",
        "UPDATE proof.block SET seal = 99 WHERE $1::uuid IS NOT NULL",
        "UPDATE proof.seal SET entries = substr(entries, 2) WHERE $1::uuid IS NOT NULL",
        "UPDATE proof.seal SET signature = '' WHERE $1::uuid IS NOT NULL",
        "DELETE FROM proof.seal WHERE $1::uuid IS NOT NULL",
        "DELETE FROM proof.public_key WHERE $1::uuid IS NOT NULL",
    ],
)
async def test_no_proof_is_given_of_what_was_changed(
    world: World, root: Person, sealer: Sealer, database: str, tamper: str
) -> None:
    event_id = await event_of(world, await world.tenant())
    await sealer.seal_all()
    connection = await asyncpg.connect(database)
    for table in ("ledger.event", "proof.block", "proof.seal", "proof.public_key"):
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    if "place = 99" in tamper or "seal = 99" in tamper:
        tamper = tamper.replace("WHERE", "WHERE number = 1 AND")
    await connection.execute(tamper, event_id)
    await connection.close()

    answer = await root.get(f"/events/{event_id}/proof")

    assert (answer.status_code, answer.json()["code"]) == (409, "seal_broken")
