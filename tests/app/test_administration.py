"""Changes of what people administer, against a real ledger."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from adapters.ids import new_id
from app.administration import secret_sha256
from domain.accounts import credit_line, tenant_account, token_account, user_account
from domain.admin.entities import Channel, Group, Mapping, Membership, PriceBook, Setting, Tenant
from domain.admin.errors import (
    ArchivedError,
    IdempotencyConflictError,
    InUseError,
    InvalidEntityError,
    LastRootError,
    MappingLoopError,
    NameTakenError,
    NotFoundError,
    PasswordRefusedError,
    VersionConflictError,
)
from domain.admin.events import Archived, Changed, Created
from domain.ids import PLATFORM, EntityId, TenantId, first_lane
from domain.pricing.rate_card import CardPublishedError
from projections.entities import Entities
from projections.folder import advance
from tests.support.office import ACTOR, NOBODY, Office, open_office


@pytest.fixture
async def office(database: str) -> AsyncIterator[Office]:
    async with open_office(database) as opened:
        await opened.group()
        await opened.group(side="channel")
        yield opened


def rename(name: str) -> Any:
    return lambda entity: msgspec.structs.replace(entity, name=name)


async def test_what_was_created_is_read_back_by_its_maker_at_once(office: Office) -> None:
    made = await office.channel("vendor")

    assert made.version == 1
    assert made.entity.name == "vendor"
    assert await office.administration.get("channel", made.entity_id) == made


async def test_each_change_counts_one_version_and_keeps_before_and_after(office: Office) -> None:
    made = await office.channel("first")
    changed = await office.administration.change(
        "channel", made.entity_id, 1, rename("second"), actor=ACTOR, reason="typo"
    )
    gone = await office.administration.archive("channel", made.entity_id, 2, actor=ACTOR)

    assert (changed.version, gone.version, gone.archived) == (2, 3, True)
    history = await office.administration.history("channel", made.entity_id)
    assert [entry.version for entry in history] == [3, 2, 1]
    archived, change, created = (entry.value for entry in history)
    assert isinstance(archived, Archived)
    assert isinstance(change, Changed)
    assert isinstance(created, Created)
    assert (change.before.name, change.after.name, change.reason) == ("first", "second", "typo")
    assert history[0].actor == ACTOR


async def test_of_twenty_changes_of_one_version_one_is_made(office: Office) -> None:
    made = await office.channel("vendor")

    answers = await asyncio.gather(
        *(
            office.administration.change("channel", made.entity_id, 1, rename(f"vendor {n}"), actor=ACTOR)
            for n in range(20)
        ),
        return_exceptions=True,
    )

    won = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(won) == 1
    assert all(isinstance(answer, VersionConflictError) for answer in answers if isinstance(answer, BaseException))
    assert (await office.administration.get("channel", made.entity_id)).version == 2


async def test_changes_without_a_version_are_made_on_top_of_each_other(office: Office) -> None:
    tenant = await office.tenant()

    def raise_limit(entity: Tenant) -> Tenant:
        return msgspec.structs.replace(entity, credit_limit_nanos=entity.credit_limit_nanos + 1)

    await asyncio.gather(
        *(office.administration.change("tenant", tenant.entity_id, None, raise_limit, actor=ACTOR) for _ in range(4))
    )

    assert (await office.administration.get("tenant", tenant.entity_id)).entity.credit_limit_nanos == 4


async def test_a_change_to_what_is_there_already_leaves_no_event(office: Office) -> None:
    made = await office.channel("vendor")
    before = await office.events()

    same = await office.administration.change("channel", made.entity_id, 1, made.entity, actor=ACTOR)

    assert same.version == 1
    assert await office.events() == before


async def test_of_twenty_users_with_one_login_one_is_made(office: Office) -> None:
    answers = await asyncio.gather(*(office.user("alice") for _ in range(20)), return_exceptions=True)

    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert sum(isinstance(answer, NameTakenError) for answer in answers) == 19


async def test_a_login_is_free_again_after_a_rename_and_after_archiving(office: Office) -> None:
    alice = await office.user("alice")
    await office.administration.change(
        "user", alice.entity_id, 1, lambda u: msgspec.structs.replace(u, login="alicia"), actor=ACTOR
    )
    other = await office.user("alice")
    await office.administration.archive("user", other.entity_id, None, actor=ACTOR)
    third = await office.user("alice")

    found = await office.administration.find("user", "alice")
    assert found is not None
    assert found.entity_id == third.entity_id
    with pytest.raises(NameTakenError):
        await office.user("alicia")


async def test_a_repeated_creation_makes_the_same_thing(office: Office) -> None:
    event_id = new_id()
    tenant = Tenant(tenant_id=TenantId(0), name="Acme")

    made = [await office.create("tenant", tenant, event_id=event_id) for _ in range(3)]

    assert made[0] == made[1] == made[2]
    assert (await office.events(made[0].tenant_id)) == ["tenant.created.v1"]


async def test_a_repeated_change_is_made_once(office: Office) -> None:
    made = await office.channel("vendor")
    event_id = new_id()

    for _ in range(3):
        answer = await office.administration.change(
            "channel", made.entity_id, 1, rename("other"), actor=ACTOR, event_id=event_id
        )

    assert answer.version == 2


async def test_an_event_id_of_something_else_is_refused(office: Office) -> None:
    event_id = new_id()
    await office.create("group", Group(group_id=NOBODY, side="user", label="vip", name="VIP"), event_id=event_id)

    with pytest.raises(IdempotencyConflictError):
        await office.create(
            "setting", Setting(setting_id=NOBODY, name="output_tokens_default", value=5), event_id=event_id
        )


async def test_archived_things_never_change(office: Office) -> None:
    made = await office.channel("vendor")
    await office.administration.archive("channel", made.entity_id, 1, actor=ACTOR)

    with pytest.raises(ArchivedError):
        await office.administration.change("channel", made.entity_id, None, rename("other"), actor=ACTOR)
    with pytest.raises(ArchivedError):
        await office.administration.archive("channel", made.entity_id, None, actor=ACTOR)


async def test_what_is_not_there_is_not_found(office: Office) -> None:
    with pytest.raises(NotFoundError):
        await office.administration.get("channel", new_id())


async def test_a_tenants_things_are_not_found_under_another_tenant(office: Office) -> None:
    tenant, _, token, _ = await office.customer()
    other = await office.tenant()

    assert await office.administration.get("token", token.entity_id, tenant_id=tenant.tenant_id) == token
    with pytest.raises(NotFoundError):
        await office.administration.get("token", token.entity_id, tenant_id=other.tenant_id)
    with pytest.raises(NotFoundError):
        await office.administration.change(
            "token", token.entity_id, None, rename("mine"), actor=ACTOR, tenant_id=other.tenant_id
        )
    assert await office.administration.history("token", token.entity_id, tenant_id=other.tenant_id) == []


async def test_a_tenants_credit_limit_is_the_floor_of_its_credit_line(office: Office) -> None:
    tenant = await office.tenant(credit_limit_nanos=7)

    async def floor() -> Any:
        return await office.pool.fetchval(
            "SELECT pool_floor FROM ledger.account WHERE account_id = $1 AND tenant_id = $2",
            credit_line(tenant.tenant_id),
            tenant.tenant_id,
        )

    assert await floor() == -7
    await office.administration.change(
        "tenant",
        tenant.entity_id,
        1,
        lambda t: msgspec.structs.replace(t, credit_limit_nanos=0),
        actor=ACTOR,
    )
    assert await floor() == 0


async def test_a_suspended_tenant_takes_no_hold_until_it_is_back(office: Office) -> None:
    tenant = await office.tenant()
    account = tenant_account(tenant.tenant_id)

    async def suspend(suspended: bool) -> None:  # noqa: FBT001 -- a short way to say it
        await office.administration.change(
            "tenant", tenant.entity_id, None, lambda t: msgspec.structs.replace(t, suspended=suspended), actor=ACTOR
        )

    assert await office.is_open(tenant.tenant_id, account)
    await suspend(True)
    assert not await office.is_open(tenant.tenant_id, account)
    await suspend(False)
    assert await office.is_open(tenant.tenant_id, account)


@pytest.mark.parametrize("how", ["revoke", "archive"])
async def test_a_revoked_token_takes_no_hold_from_the_same_commit_on(office: Office, how: str) -> None:
    tenant, _, token, _ = await office.customer()
    account = token_account(token.entity.token_id)
    assert await office.is_open(tenant.tenant_id, account)

    if how == "archive":
        await office.administration.archive("token", token.entity_id, 1, actor=ACTOR)
    else:
        await office.administration.change(
            "token", token.entity_id, 1, lambda t: msgspec.structs.replace(t, revoked=True), actor=ACTOR
        )
        with pytest.raises(InvalidEntityError):
            await office.administration.change(
                "token", token.entity_id, 2, lambda t: msgspec.structs.replace(t, revoked=False), actor=ACTOR
            )

    assert not await office.is_open(tenant.tenant_id, account)


async def test_a_disabled_user_takes_no_hold_in_any_tenant_until_enabled(office: Office) -> None:
    first, second = await office.tenant(), await office.tenant()
    user = await office.user("alice", first.tenant_id, second.tenant_id)
    for tenant in (first, second):
        await office.token(tenant.tenant_id, user.entity.user_id)

    async def open_in() -> list[bool]:
        return [
            await office.is_open(tenant.tenant_id, user_account(tenant.tenant_id, user.entity.user_id))
            for tenant in (first, second)
        ]

    async def change(**fields: Any) -> None:
        await office.administration.change(
            "user", user.entity_id, None, lambda u: msgspec.structs.replace(u, **fields), actor=ACTOR
        )

    assert await open_in() == [True, True]
    await change(disabled=True)
    assert await open_in() == [False, False]
    assert "account.closed.v1" in await office.events(second.tenant_id)
    await change(disabled=False)
    assert await open_in() == [True, True]
    await change(memberships=(Membership(second.tenant_id, "member"),))
    assert await open_in() == [False, True]
    await office.administration.archive("user", user.entity_id, None, actor=ACTOR)
    assert await open_in() == [False, False]


class Gate:
    """Stops the first caller of a method until it is let through; the others pass."""

    def __init__(self, method: Any) -> None:
        self._method = method
        self._calls = 0
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, *args: Any, **more: Any) -> Any:
        self._calls += 1
        if self._calls == 1:
            self.reached.set()
            await self.opened.wait()
        return await self._method(*args, **more)


async def disable(office: Office, user_id: str, disabled: bool) -> None:  # noqa: FBT001 -- a short way to say it
    await office.administration.change(
        "user", user_id, None, lambda u: msgspec.structs.replace(u, disabled=disabled), actor=ACTOR
    )


async def test_what_follows_from_an_earlier_change_of_a_user_does_not_undo_a_later_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, user, _, _ = await office.customer()
    gate = Gate(office.administration._members.set)
    monkeypatch.setattr(office.administration._members, "set", gate)

    disabling = asyncio.create_task(disable(office, user.entity_id, True))
    await gate.reached.wait()
    await disable(office, user.entity_id, False)
    gate.opened.set()
    await disabling

    assert await office.is_open(tenant.tenant_id, user_account(tenant.tenant_id, user.entity.user_id))


async def test_a_change_that_was_overtaken_before_it_was_read_follows_the_later_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, user, _, _ = await office.customer()
    late = Gate(office.administration._submission.advance)
    later = Gate(office.administration._members.set)

    with monkeypatch.context() as patched:
        patched.setattr(office.administration._submission, "advance", late)
        disabling = asyncio.create_task(disable(office, user.entity_id, True))
        await late.reached.wait()
    await advance(office.pool, Entities(), PLATFORM, first_lane(PLATFORM))
    monkeypatch.setattr(office.administration._members, "set", later)
    enabling = asyncio.create_task(disable(office, user.entity_id, False))
    await later.reached.wait()
    late.opened.set()
    await disabling
    later.opened.set()
    await enabling

    assert await office.is_open(tenant.tenant_id, user_account(tenant.tenant_id, user.entity.user_id))


async def test_a_start_closes_the_accounts_that_a_crash_left_open(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, user, _, _ = await office.customer()
    account = user_account(tenant.tenant_id, user.entity.user_id)

    async def crash(*_args: object, **_more: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(office.administration._members, "set", crash)
        with pytest.raises(ConnectionError):
            await office.administration.change(
                "user", user.entity_id, None, lambda u: msgspec.structs.replace(u, disabled=True), actor=ACTOR
            )
    assert await office.is_open(tenant.tenant_id, account)

    assert await office.administration.settle_members() == 1
    assert not await office.is_open(tenant.tenant_id, account)
    assert await office.administration.settle_members() == 0


async def test_a_repeated_change_does_what_a_crash_left_out(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant, user, _, _ = await office.customer()
    event_id = new_id()

    async def crash(*_args: object, **_more: object) -> None:
        raise ConnectionError

    async def disable() -> Any:
        return await office.administration.change(
            "user",
            user.entity_id,
            1,
            lambda u: msgspec.structs.replace(u, disabled=True),
            actor=ACTOR,
            event_id=event_id,
        )

    with monkeypatch.context() as patched:
        patched.setattr(office.administration._members, "set", crash)
        with pytest.raises(ConnectionError):
            await disable()
    assert (await disable()).version == 2
    assert not await office.is_open(tenant.tenant_id, user_account(tenant.tenant_id, user.entity.user_id))


async def test_the_last_root_stays_root_even_when_two_leave_at_once(office: Office) -> None:
    roots = [await office.user(f"root{n}", platform_role="root") for n in range(2)]

    answers = await asyncio.gather(
        *(
            office.administration.change(
                "user", root.entity_id, 1, lambda u: msgspec.structs.replace(u, platform_role=None), actor=ACTOR
            )
            for root in roots
        ),
        return_exceptions=True,
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["LastRootError", "Stored"]
    left = next(root for root, answer in zip(roots, answers, strict=True) if isinstance(answer, LastRootError))
    with pytest.raises(LastRootError):
        await office.administration.archive("user", left.entity_id, None, actor=ACTOR)
    with pytest.raises(LastRootError):
        await office.administration.change(
            "user", left.entity_id, None, lambda u: msgspec.structs.replace(u, disabled=True), actor=ACTOR
        )


async def test_a_token_needs_a_tenant_and_a_member(office: Office) -> None:
    tenant = await office.tenant()
    stranger = await office.user("stranger")

    with pytest.raises(InvalidEntityError, match="member"):
        await office.token(tenant.tenant_id, stranger.entity.user_id)
    with pytest.raises(InvalidEntityError, match="no tenant"):
        await office.token(TenantId(77), stranger.entity.user_id)


async def test_a_token_is_found_by_the_hash_of_its_secret_and_by_nothing_of_the_secret(office: Office) -> None:
    _, _, token, secret = await office.customer()

    found = await office.administration.find("token", secret_sha256(secret))

    assert found == token
    assert token.entity.hint == f"{secret[:8]}...{secret[-4:]}"
    rows = await office.pool.fetch("SELECT convert_from(data, 'UTF8') AS text FROM ledger.event")
    assert not any(secret in row["text"] for row in rows)


async def test_groups_in_use_and_the_default_group_stay(office: Office) -> None:
    vip = await office.group("vip")
    fast = await office.group("fast", side="channel")
    await office.tenant(user_group="vip")
    await office.channel(channel_groups=("fast",))
    default = next(
        stored
        for stored in (await office.administration.list("group", owner="user")).items
        if stored.entity.label == "default"
    )

    for group in (vip, fast, default):
        with pytest.raises(InUseError):
            await office.administration.archive("group", group.entity_id, None, actor=ACTOR)


async def test_names_of_models_that_lead_in_a_circle_are_refused(office: Office) -> None:
    tenant = await office.tenant()

    async def mapping(model: str, target: str, tenant_id: TenantId | None = None) -> Any:
        return await office.create(
            "mapping", Mapping(mapping_id=NOBODY, model=model, target=target, tenant_id=tenant_id)
        )

    first = await mapping("a", "b")
    own = await mapping("b", "c", tenant.tenant_id)
    assert (first.tenant_id, own.tenant_id) == (PLATFORM, tenant.tenant_id)
    with pytest.raises(MappingLoopError):
        await mapping("c", "a", tenant.tenant_id)
    with pytest.raises(MappingLoopError):
        await mapping("d", "d")
    with pytest.raises(NameTakenError):
        await mapping("a", "x")
    await mapping("a", "x", tenant.tenant_id)


async def test_a_channels_key_is_nowhere_but_encrypted_in_its_own_table(office: Office) -> None:
    secret = "sk-vendor-0123456789abcdef"
    channel = await office.channel(secret=secret)

    assert (channel.entity.key_version, channel.entity.key_hint) == (1, "...cdef")
    sealed = (await office.administration.store.channel_keys([channel.entity_id]))[channel.entity_id, 1]
    assert office.vault.unseal(sealed, f"channel:{channel.entity_id}:1") == secret
    for table in ("ledger.event", "admin.entity", "admin.channel_key", "admin.entity_key"):
        rows = await office.pool.fetch(f"SELECT t::text AS text FROM {table} AS t")
        assert not any(secret in row["text"] or secret.encode().hex() in row["text"] for row in rows)


async def test_of_racing_new_keys_the_one_that_counts_is_the_one_whose_event_stands(office: Office) -> None:
    channel = await office.channel(secret="key-of-the-beginning")

    keys = [f"key-number-{n:08}-{'x' * n}{n:04}" for n in range(8)]
    answers = await asyncio.gather(
        *(office.administration.set_channel_key(channel.entity_id, 1, key, actor=ACTOR) for key in keys),
        return_exceptions=True,
    )

    won = [key for key, answer in zip(keys, answers, strict=True) if not isinstance(answer, BaseException)]
    assert len(won) == 1
    sealed = await office.administration.store.channel_keys([channel.entity_id])
    assert [office.vault.unseal(one, f"channel:{channel.entity_id}:2") for one in sealed.values()] == won
    assert await office.pool.fetchval("SELECT count(*) FROM admin.channel_key") == 1
    now = (await office.administration.get("channel", channel.entity_id)).entity
    assert (now.key_version, now.key_hint) == (2, f"...{won[0][-4:]}")


async def test_a_channels_key_cannot_be_changed_along_with_its_fields(office: Office) -> None:
    channel = await office.channel(secret="key-of-the-beginning")

    with pytest.raises(InvalidEntityError):
        await office.administration.change(
            "channel", channel.entity_id, 1, lambda c: msgspec.structs.replace(c, key_version=9), actor=ACTOR
        )
    with pytest.raises(InvalidEntityError):
        await office.administration.set_channel_key(channel.entity_id, 1, "a\x07bell", actor=ACTOR)


async def test_a_password_is_checked_and_replaced_and_ends_sessions(office: Office) -> None:
    user = await office.user("alice")
    administration = office.administration
    await administration.set_password(user.entity_id, "correct horse", actor=ACTOR, must_change=True)
    for session in ("kept", "other"):
        await office.pool.execute(
            "INSERT INTO admin.session (session_hash, user_id, csrf_hash, expires_at)"
            " VALUES ($1, $2, '', now() + interval '1 hour')",
            session,
            user.entity_id,
        )

    found = await administration.check_password(" Alice ", "correct horse")
    assert found is not None
    assert found.entity.must_change_password
    assert await administration.check_password("alice", "wrong horse") is None
    assert await administration.check_password("bob", "correct horse") is None

    await administration.set_password(user.entity_id, "battery staple", actor=ACTOR, keep_session="kept")
    assert await administration.check_password("alice", "correct horse") is None
    found = await administration.check_password("alice", "battery staple")
    assert found is not None
    assert not found.entity.must_change_password
    assert [row["session_hash"] for row in await office.pool.fetch("SELECT session_hash FROM admin.session")] == [
        "kept"
    ]
    assert await office.pool.fetchval("SELECT count(*) FROM admin.password") == 1
    with pytest.raises(PasswordRefusedError):
        await administration.set_password(user.entity_id, "short", actor=ACTOR)
    with pytest.raises(NotFoundError):
        await administration.set_password(new_id(), "battery staple", actor=ACTOR)
    assert (await office.events()).count("password.changed.v1") == 2


async def test_a_disabled_users_sessions_end(office: Office) -> None:
    user = await office.user("alice")
    await office.pool.execute(
        "INSERT INTO admin.session (session_hash, user_id, csrf_hash, expires_at)"
        " VALUES ('s', $1, '', now() + interval '1 hour')",
        user.entity_id,
    )

    await office.administration.change(
        "user", user.entity_id, 1, lambda u: msgspec.structs.replace(u, disabled=True), actor=ACTOR
    )

    assert await office.pool.fetchval("SELECT count(*) FROM admin.session") == 0


async def test_a_list_is_read_page_by_page_the_newest_first(office: Office) -> None:
    made = [(await office.channel(f"vendor {n}")).entity_id for n in range(5)]

    seen: list[str] = []
    after = None
    while True:
        page = await office.administration.list("channel", after=after, limit=2)
        seen += [stored.entity_id for stored in page.items]
        assert len(page.items) <= 2
        if page.next is None:
            break
        after = page.next

    assert seen == made[::-1]
    with pytest.raises(InvalidEntityError):
        await office.administration.list("channel", after="nonsense")


async def test_lists_are_narrowed(office: Office) -> None:
    tenant, user, token, _ = await office.customer()
    await office.customer()
    archived = await office.channel("old")
    await office.administration.archive("channel", archived.entity_id, 1, actor=ACTOR)
    await office.channel("New Vendor")

    async def ids(kind: str, **filters: Any) -> list[str]:
        return [stored.entity_id for stored in (await office.administration.list(kind, **filters)).items]

    assert await ids("token", tenant_id=tenant.tenant_id) == [token.entity_id]
    assert await ids("token", owner=user.entity_id) == [token.entity_id]
    assert len(await ids("token")) == 2
    assert await ids("user", member_of=tenant.tenant_id) == [user.entity_id]
    assert await ids("channel", archived=True) == [archived.entity_id]
    assert len(await ids("channel", archived=None)) == 2
    assert len(await ids("channel", search="new v")) == 1
    assert await ids("channel", search="100%") == []


async def test_a_published_card_never_changes(office: Office) -> None:
    from adapters.genai_prices import bundled_rate_card  # noqa: PLC0415 -- slow to import

    card = await asyncio.to_thread(bundled_rate_card)
    card = msgspec.structs.replace(card, models={"gpt-4o": card.models["gpt-4o"]}, aliases={})
    draft = await office.create("rate_card", PriceBook(card_id=EntityId(new_id()), card=card))
    published = await office.administration.change(
        "rate_card", draft.entity_id, 1, lambda book: msgspec.structs.replace(book, published=True), actor=ACTOR
    )

    with pytest.raises(CardPublishedError):
        await office.administration.change(
            "rate_card",
            draft.entity_id,
            None,
            lambda book: msgspec.structs.replace(book, card=msgspec.structs.replace(card, source="elsewhere")),
            actor=ACTOR,
        )
    with pytest.raises(CardPublishedError):
        await office.administration.archive("rate_card", draft.entity_id, None, actor=ACTOR)
    with pytest.raises(NameTakenError):
        await office.create("rate_card", PriceBook(card_id=EntityId(new_id()), card=card))
    assert published.entity.published


async def test_a_change_is_heard_of_after_it_can_be_read(office: Office) -> None:
    heard: list[TenantId] = []

    async def hear(tenant_id: TenantId) -> None:
        heard.append(tenant_id)
        assert (await office.administration.list("channel")).items

    office.administration._on_change = hear
    await office.channel("vendor")

    assert heard == [PLATFORM]


async def test_a_refused_creation_leaves_nothing_behind(office: Office) -> None:
    await office.channel("vendor")
    before = await office.events()

    with pytest.raises(NameTakenError):
        await office.channel("vendor", secret="a key that nobody will use")
    with pytest.raises(InvalidEntityError):
        await office.create(
            "channel", Channel(channel_id=NOBODY, name="other", type="openai", base_url="ftp://x", models=("a",))
        )

    assert await office.events() == before
    assert await office.pool.fetchval("SELECT count(*) FROM admin.channel_key") == 0
