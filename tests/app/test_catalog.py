"""Configuration and tokens in memory, as a second process sees the changes of a first one."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from adapters.ids import new_id
from adapters.postgres.admin_store import AdminStore, Stored
from adapters.vault import Vault
from app.administration import new_token_secret, secret_sha256
from app.catalog import Catalog, CatalogUnavailableError, NoChannelKeyError
from app.snapshot import Snapshot, TokenContext
from domain.admin.entities import Channel, Mapping, Membership, Multiplier, PriceBook, Setting, Tenant, Token
from domain.ids import EntityId, TenantId
from domain.pricing.rate_card import ModelPrice, RateCard
from tests.support.office import ACTOR, NOBODY, Office, open_office

POLL_SECONDS = 0.02
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


@pytest.fixture
async def office(database: str) -> AsyncIterator[Office]:
    async with open_office(database) as opened:
        await opened.group()
        await opened.group(side="channel")
        yield opened


@pytest.fixture
async def catalog(office: Office) -> AsyncIterator[Catalog]:
    """The catalog of another process: nobody tells it of a change."""
    other = Catalog(office.pool, office.vault, poll_seconds=POLL_SECONDS, unknown_seconds=0.05)
    await other.start()
    yield other
    await other.stop()


async def until(condition: Callable[[], object]) -> None:
    """Wait for the poll to see it; the bound only ends what would hang."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 -- what is tested is a poll: nobody tells this process anything
            await asyncio.sleep(POLL_SECONDS)


async def test_a_new_channel_is_served_within_a_poll_and_a_disabled_one_is_not(
    office: Office, catalog: Catalog
) -> None:
    assert catalog.snapshot.channels("model-a") == ()
    channel = await office.channel()
    await until(lambda: catalog.snapshot.channels("model-a"))

    await office.administration.change(
        "channel", channel.entity_id, 1, lambda c: msgspec.structs.replace(c, enabled=False), actor=ACTOR
    )
    await until(lambda: not catalog.snapshot.channels("model-a"))
    assert catalog.snapshot.knows_model("model-a")

    await office.administration.archive("channel", channel.entity_id, 2, actor=ACTOR)
    await until(lambda: not catalog.snapshot.knows_model("model-a"))


async def test_the_process_that_made_a_change_sees_it_at_once(office: Office) -> None:
    own = Catalog(office.pool, office.vault, poll_seconds=3600)
    await own.start()
    office.administration._on_change = own.refresh

    await office.channel()
    assert own.snapshot.channels("model-a")
    tenant, _, token, secret = await office.customer()
    assert await own.token(secret_sha256(secret)) is not None
    await office.administration.change(
        "token", token.entity_id, 1, lambda t: msgspec.structs.replace(t, revoked=True), actor=ACTOR
    )
    context = own.cached_token(secret_sha256(secret))
    assert context is not None
    assert context.token.revoked
    assert context.tenant.tenant_id == tenant.tenant_id
    await own.stop()


async def test_a_token_is_looked_up_once_and_then_in_memory(
    office: Office, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, user, token, secret = await office.customer()
    lookups = watch_lookups(monkeypatch)

    answers = await asyncio.gather(*(catalog.token(secret_sha256(secret)) for _ in range(50)))

    assert len({id(answer) for answer in answers}) == 1
    context = answers[0]
    assert context is not None
    assert (context.token, context.tenant, context.user) == (token.entity, tenant.entity, user.entity)
    assert not context.user_disabled
    assert catalog.cached_token(secret_sha256(secret)) is context
    assert lookups == [1]


def watch_lookups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give a list that gets the number of hashes of each query for tokens."""
    sizes: list[int] = []
    tokens = AdminStore.tokens

    async def count(self: AdminStore, hashes: Any) -> list[Stored]:
        sizes.append(len(hashes))
        return await tokens(self, hashes)

    monkeypatch.setattr(AdminStore, "tokens", count)
    return sizes


async def test_a_flood_of_unknown_tokens_is_a_few_queries_and_stays_bounded(
    office: Office, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    del office
    lookups = watch_lookups(monkeypatch)

    for start in range(0, 12_000, 3000):
        answers = await asyncio.gather(*(catalog.token(f"{n:064x}") for n in range(start, start + 3000)))
        assert set(answers) == {None}

    assert len(lookups) <= 28
    assert len(catalog._unknown) <= 10_000
    assert not catalog._wanted


async def test_a_token_that_was_unknown_works_soon_after_it_was_made_elsewhere(
    office: Office, catalog: Catalog
) -> None:
    tenant = await office.tenant()
    user = await office.user("alice", tenant.tenant_id)
    secret = new_token_secret()
    assert await catalog.token(secret_sha256(secret)) is None

    made, _ = await office.token(tenant.tenant_id, user.entity.user_id, secret=secret)
    async with asyncio.timeout(30):
        while (found := await catalog.token(secret_sha256(secret))) is None:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(POLL_SECONDS)
    assert found.token == made.entity


@pytest.mark.parametrize("thing", ["token", "tenant", "user", "membership", "mapping"])
async def test_what_a_cached_token_depends_on_is_followed(office: Office, catalog: Catalog, thing: str) -> None:
    tenant, user, token, secret = await office.customer()
    second, second_secret = await office.token(tenant.tenant_id, user.entity.user_id)
    sha256s = [secret_sha256(secret), secret_sha256(second_secret)]
    for sha256 in sha256s:
        await catalog.token(sha256)
    administration = office.administration

    def contexts() -> list[TokenContext]:
        return [context for sha256 in sha256s if (context := catalog.cached_token(sha256)) is not None]

    if thing == "token":
        await administration.change(
            "token", second.entity_id, 1, lambda t: msgspec.structs.replace(t, name="renamed"), actor=ACTOR
        )
        await until(lambda: contexts()[1].token.name == "renamed")
        assert contexts()[0].token == token.entity
    elif thing == "tenant":
        await administration.change(
            "tenant", tenant.entity_id, 1, lambda t: msgspec.structs.replace(t, suspended=True), actor=ACTOR
        )
        await until(lambda: all(context.tenant.suspended for context in contexts()))
    elif thing == "user":
        await administration.change(
            "user", user.entity_id, 1, lambda u: msgspec.structs.replace(u, disabled=True), actor=ACTOR
        )
        await until(lambda: all(context.user_disabled for context in contexts()))
    elif thing == "membership":
        await administration.change(
            "user", user.entity_id, 1, lambda u: msgspec.structs.replace(u, memberships=()), actor=ACTOR
        )
        await until(lambda: all(context.user_disabled for context in contexts()))
    else:
        await office.create(
            "mapping", Mapping(mapping_id=NOBODY, model="small", target="model-a", tenant_id=tenant.tenant_id)
        )
        await until(lambda: all("small" in context.mappings for context in contexts()))
    assert len(contexts()) == 2


async def test_an_archived_token_and_those_of_an_archived_tenant_are_forgotten(
    office: Office, catalog: Catalog
) -> None:
    tenant, user, token, secret = await office.customer()
    _, second_secret = await office.token(tenant.tenant_id, user.entity.user_id)
    for each in (secret, second_secret):
        assert await catalog.token(secret_sha256(each)) is not None

    await office.administration.archive("token", token.entity_id, 1, actor=ACTOR)
    await until(lambda: catalog.cached_token(secret_sha256(secret)) is None)
    assert catalog.cached_token(secret_sha256(second_secret)) is not None
    await office.administration.archive("tenant", tenant.entity_id, 1, actor=ACTOR)
    await until(lambda: catalog.cached_token(secret_sha256(second_secret)) is None)

    assert catalog._by_tenant == {}
    assert catalog._by_user == {}
    assert catalog._positions == {}


async def test_the_token_that_was_not_asked_for_the_longest_goes_first(office: Office) -> None:
    small = Catalog(office.pool, office.vault, poll_seconds=3600, tokens_max=2)
    await small.start()
    hashes = [secret_sha256((await office.customer())[3]) for _ in range(3)]

    for sha256 in hashes[:2]:
        await small.token(sha256)
    assert small.cached_token(hashes[0]) is not None
    await small.token(hashes[2])

    assert small.cached_token(hashes[1]) is None
    assert small.cached_token(hashes[0]) is not None
    assert len(small._by_tenant) == 2
    await small.stop()


async def test_channel_keys_are_in_memory_and_follow_their_changes(office: Office, catalog: Catalog) -> None:
    made = await office.channel(secret="a-vendor-key-of-some-length")
    bare = await office.channel("bare")
    await until(lambda: len(catalog.snapshot.channels_by_id) == 2)

    assert catalog.channel_key(made.entity) == "a-vendor-key-of-some-length"
    assert catalog.channel_key(bare.entity) == ""
    changed = await office.administration.set_channel_key(made.entity_id, 1, "its-second-key-of-length", actor=ACTOR)
    await until(lambda: catalog.snapshot.channels_by_id[made.entity.channel_id].key_version == 2)
    assert catalog.channel_key(changed.entity) == "its-second-key-of-length"
    # A request that began before the change still has the channel of then.
    assert catalog.channel_key(made.entity) == "a-vendor-key-of-some-length"


async def test_a_key_that_does_not_open_closes_its_channel_only(office: Office) -> None:
    made = await office.channel(secret="a-vendor-key-of-some-length")
    stranger = Catalog(office.pool, Vault({"test": b"x" * 32}))
    await stranger.start()

    with pytest.raises(NoChannelKeyError):
        stranger.channel_key(made.entity)
    assert stranger.snapshot.channels("model-a") == (made.entity,)
    await stranger.stop()


async def test_while_the_database_is_away_what_is_in_memory_is_served(
    office: Office, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.channel()
    _, _, _, secret = await office.customer()
    await until(lambda: catalog.snapshot.channels("model-a"))
    await catalog.token(secret_sha256(secret))

    async def away(*_args: object) -> Any:
        raise asyncpg.ConnectionDoesNotExistError("gone")

    with monkeypatch.context() as patched:
        for name in ("positions", "tokens"):
            patched.setattr(AdminStore, name, away)
        await until(lambda: not catalog.fresh)
        assert catalog.snapshot.channels("model-a")
        assert await catalog.token(secret_sha256(secret)) is not None
        with pytest.raises(CatalogUnavailableError):
            await catalog.token("0" * 64)
    await until(lambda: catalog.fresh)
    assert await catalog.token("0" * 64) is None


async def test_an_error_that_nobody_thought_of_does_not_end_the_following(
    office: Office, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: object) -> Any:
        raise KeyError

    with monkeypatch.context() as patched:
        patched.setattr(AdminStore, "since", broken)
        await office.channel()
        await until(lambda: not catalog.fresh)
    await until(lambda: catalog.snapshot.channels("model-a"))


# The snapshot, which is a value.


def stored(kind: str, entity: Any, **more: Any) -> Stored:
    fields: dict[str, Any] = {
        "entity_id": new_id(), "tenant_id": TenantId(1), "version": 1, "position": 1, "archived": False,
        "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Stored(kind=kind, entity=entity, **(fields | more))


def channel(channel_id: str, **more: Any) -> Stored:
    fields: dict[str, Any] = {"models": ("model-a",)}
    return stored(
        "channel", Channel(channel_id=EntityId(channel_id), name=channel_id, type="openai", **(fields | more)),
        entity_id=channel_id,
    )  # fmt: skip


def mapping(model: str, target: str, **more: Any) -> Mapping:
    return Mapping(mapping_id=EntityId(f"{model}-{target}"), model=model, target=target, **more)


def context(*mappings: Mapping, memberships: tuple[Membership, ...] = ()) -> TokenContext:
    del memberships
    token = Token(token_id=NOBODY, tenant_id=TenantId(7), user_id=NOBODY, name="t", sha256="0" * 64, hint="sk-")
    return TokenContext(token, Tenant(tenant_id=TenantId(7), name="t"), None, mappings)


def test_channels_stand_in_the_order_of_priority_then_id_whatever_order_they_came_in() -> None:
    channels = [channel("c"), channel("b", priority=5), channel("a"), channel("d", enabled=False, priority=9)]

    for order in (channels, channels[::-1]):
        assert [c.channel_id for c in Snapshot(1, order).channels("model-a")] == ["b", "a", "c"]


def test_a_channel_serves_the_names_that_it_maps() -> None:
    snapshot = Snapshot(1, [channel("a", model_map={"fast": "vendor-fast-2"})])

    assert [c.channel_id for c in snapshot.channels("fast")] == ["a"]
    assert snapshot.channels("vendor-fast-2") == ()
    assert snapshot.model_names() == ["fast", "model-a"]
    assert snapshot.model_created("fast") == int(NOW.timestamp())


def test_a_tenants_mapping_comes_before_the_platforms_and_mappings_follow_one_another() -> None:
    snapshot = Snapshot(
        1,
        [
            channel("a", models=("model-a", "model-b")),
            stored("mapping", mapping("small", "tiny", billed="asked")),
            stored("mapping", mapping("tiny", "model-a")),
            stored("mapping", mapping("off", "model-a", enabled=False)),
            stored("mapping", mapping("lost", "nowhere")),
        ],
    )
    own = context(mapping("tiny", "model-b"), mapping("mine", "model-a"))

    found = snapshot.mapping(None, "small")
    assert found is not None
    assert (found.target, found.billed) == ("model-a", "asked")
    found = snapshot.mapping(own, "small")
    assert found is not None
    assert found.target == "model-b"
    assert snapshot.mapping(own, "off") is None
    assert snapshot.mapping(own, "model-a") is None
    assert snapshot.model_names() == ["model-a", "model-b", "small", "tiny"]
    assert snapshot.model_names(own) == ["mine", "model-a", "model-b", "small", "tiny"]


def test_a_circle_of_names_ends() -> None:
    snapshot = Snapshot(1, [stored("mapping", mapping("a", "b")), stored("mapping", mapping("b", "a"))])

    found = snapshot.mapping(None, "a")
    assert found is not None
    assert found.target in {"a", "b"}


def test_the_multiplier_comes_with_its_id_and_the_matrix_counts_its_changes() -> None:
    def cell(user: str, group: str, value: str, **more: Any) -> Stored:
        entity = Multiplier(
            multiplier_id=EntityId(f"{user}:{group}"), user_group=user, channel_group=group, value=Decimal(value)
        )
        return stored("multiplier", entity, **more)

    snapshot = Snapshot(
        9,
        [cell("vip", "all", "0.5", version=3), cell("all", "fast", "2"), cell("x", "y", "9", archived=True, version=2)],
    )

    entry, entity_id = snapshot.multiplier("vip", ("fast",))
    assert (entry.multiplier, entity_id) == (Decimal("0.5"), "vip:all")
    entry, entity_id = snapshot.multiplier("default", ("fast", "slow"))
    assert (entry.multiplier, entity_id) == (Decimal(2), "all:fast")
    entry, entity_id = snapshot.multiplier("x", ("y",))
    assert (entry.multiplier, entity_id) == (Decimal(1), None)
    assert snapshot.multipliers.version == 6


def test_cards_are_chosen_by_use_and_moment_and_drafts_by_nobody() -> None:
    def book(version: int, price: str, day: int, **more: Any) -> Stored:
        card = RateCard(
            card_id=EntityId("series"),
            version=version,
            currency="USD",
            source="test",
            effective_from=NOW + dt.timedelta(days=day),
            models={"model-a": ModelPrice(input=Decimal(price))},
        )
        fields: dict[str, Any] = {"published": True}
        return stored(
            "rate_card", PriceBook(card_id=EntityId(new_id()), card=card, **(fields | more)), position=version
        )

    snapshot = Snapshot(
        1,
        [
            book(1, "1", -2),
            book(3, "3", 1),
            book(2, "2", -1),
            book(4, "4", 0, published=False),
            book(5, "5", -1, use="cost"),
        ],
    )
    cost = channel("a", cost_card_id="series").entity

    def version_at(moment: dt.datetime) -> int:
        card = snapshot.sale_card(moment)
        assert card is not None
        return card.version

    assert version_at(NOW) == 2
    assert version_at(NOW + dt.timedelta(days=1)) == 3
    assert snapshot.sale_card(NOW - dt.timedelta(days=3)) is None
    price = snapshot.cost_price(cost, "model-a", NOW)
    assert price is not None
    assert price.input == Decimal(5)
    assert snapshot.cost_price(channel("b").entity, "model-a", NOW) is None


def test_settings_fall_back_to_their_defaults() -> None:
    set_to = stored("setting", Setting(setting_id=NOBODY, name="output_tokens_default", value=99))
    unset = stored("setting", Setting(setting_id=NOBODY, name="output_tokens_default", value=None))

    assert Snapshot(1, [set_to]).output_tokens_default == 99
    assert Snapshot(1, [unset]).output_tokens_default == Snapshot(1, []).output_tokens_default == 4096
