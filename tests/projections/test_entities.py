"""The read model of what people administer."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from app.administration import secret_sha256
from domain.admin.entities import CodeBatch, Membership
from domain.ids import PLATFORM, first_lane
from projections.entities import Entities
from projections.folder import Folder
from tests.support.office import ACTOR, NOBODY, Office, open_office

TABLES = {
    "admin.entity": "entity_id, kind, tenant_id",
    "admin.entity_key": "key, kind, entity_id",
    "admin.entity_change": "entity_id, kind, version",
    "admin.config_position": "lane",
}


@pytest.fixture
async def office(database: str) -> AsyncIterator[Office]:
    async with open_office(database) as opened:
        await opened.group()
        await opened.group(side="channel")
        yield opened


async def administer(office: Office) -> list[int]:
    """Do a bit of everything, and give the tenants it was done to."""
    tenant, user, token, _ = await office.customer()
    other = await office.tenant()
    administration = office.administration
    await administration.change(
        "tenant", tenant.entity_id, 1, lambda t: msgspec.structs.replace(t, name="B"), actor=ACTOR
    )
    await administration.change(
        "user",
        user.entity_id,
        1,
        lambda u: msgspec.structs.replace(u, login="new", memberships=(Membership(other.tenant_id, "owner"),)),
        actor=ACTOR,
    )
    await administration.archive("token", token.entity_id, 1, actor=ACTOR)
    channel = await office.channel(secret="a-vendor-key-of-some-length")
    await administration.set_channel_key(channel.entity_id, 1, "another-vendor-key-of-length", actor=ACTOR)
    await administration.set_password(user.entity_id, "correct horse", actor=ACTOR)
    await administration.set_password(user.entity_id, "battery staple", actor=ACTOR, must_change=True)
    gone = await office.user("gone")
    await administration.archive("user", gone.entity_id, 1, actor=ACTOR)
    return [PLATFORM, tenant.tenant_id, other.tenant_id]


async def rows(office: Office, table: str, generation: int) -> list[dict[str, Any]]:
    found = await office.pool.fetch(f"SELECT * FROM {table} WHERE generation = $1 ORDER BY {TABLES[table]}", generation)
    return [{name: value for name, value in row.items() if name != "generation"} for row in found]


@pytest.mark.parametrize("batch_events", [1, 3, 5000])
async def test_a_rebuild_in_batches_of_any_size_gives_the_same_rows(office: Office, batch_events: int) -> None:
    tenants = await administer(office)
    await office.pool.execute(
        "INSERT INTO projection.generation (name, generation, version, state) VALUES ('entities', 2, 1, 'filling')"
    )
    folder = Folder(Entities(), batch_events=batch_events)

    async with office.pool.acquire() as connection:
        for tenant_id in tenants:
            await folder.tail(connection, 2, [(tenant_id, first_lane(tenant_id))])  # type: ignore[arg-type, list-item]

    for table in TABLES:
        live = await rows(office, table, 1)
        assert live
        assert await rows(office, table, 2) == live


async def test_a_renamed_user_is_found_by_the_new_login_only(office: Office) -> None:
    user = await office.user("alice")
    await office.administration.change(
        "user", user.entity_id, 1, lambda u: msgspec.structs.replace(u, login="alicia"), actor=ACTOR
    )

    assert await office.administration.find("user", "alice") is None
    found = await office.administration.find("user", "alicia")
    assert found is not None
    assert found.entity_id == user.entity_id


async def test_an_archived_token_and_a_code_keep_their_hashes(office: Office) -> None:
    _, _, token, secret = await office.customer()
    await office.administration.archive("token", token.entity_id, 1, actor=ACTOR)
    hashes = tuple(f"{n:064x}" for n in range(3))
    batch = await office.create(
        "code_batch", CodeBatch(batch_id=NOBODY, name="spring", amount_nanos=5, hashes=hashes, uses_per_code=2)
    )

    found = await office.administration.find("token", secret_sha256(secret))
    assert found is not None
    assert found.archived
    assert await office.administration.find("code_batch", hashes[1]) == batch
    uses = await office.pool.fetch("SELECT posted FROM ledger.account WHERE name LIKE 'code:%'")
    assert [row["posted"] for row in uses] == [2, 2, 2]


async def test_of_a_users_passwords_and_a_channels_keys_the_last_one_counts(office: Office) -> None:
    user = await office.user("alice")
    for password in ("correct horse", "battery staple"):
        await office.administration.set_password(user.entity_id, password, actor=ACTOR)
    channel = await office.channel(secret="a-vendor-key-of-some-length")
    await office.administration.set_channel_key(channel.entity_id, 1, "another-vendor-key-of-length", actor=ACTOR)

    keys = await office.pool.fetch(
        "SELECT k.kind, k.key, e.type FROM admin.entity_key AS k"
        " JOIN ledger.event AS e ON e.event_id::text = k.entity_id"
        " WHERE k.kind IN ('password', 'channel_key') ORDER BY k.kind, k.key"
    )
    assert [tuple(row) for row in keys] == [
        ("channel_key", f"{channel.entity_id}:1", "channel.created.v1"),
        ("channel_key", f"{channel.entity_id}:2", "channel_key.changed.v1"),
        ("password", user.entity_id, "password.changed.v1"),
    ]


async def test_a_lanes_config_position_is_that_of_its_last_change(office: Office) -> None:
    channel = await office.channel()
    tenant = await office.tenant()

    positions = await office.administration.store.positions([PLATFORM, tenant.tenant_id])

    assert positions == {PLATFORM: channel.position, tenant.tenant_id: tenant.position}
