"""The one way to change what people administer: each change is one command of the ledger, and one event.

The ledger decides what is exact: that nobody changed the thing in between (the account that counts its versions), that
a name is free, that somebody with the role root is left, and that a revoked token, a suspended tenant or a disabled
user can spend nothing from that commit on, on every node. Everything else is checked before, by `domain.admin.rules`.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from adapters.clock import now
from adapters.ids import new_id
from adapters.passwords import LENGTH_MAX, LENGTH_MIN, Passwords
from adapters.postgres.admin_lists import DEFAULT_SORT
from adapters.postgres.admin_store import AdminStore, HistoryEntry, Page, Stored
from app.administration.bulk import BulkStep, Prepared, joined, refuse_repeated
from app.administration.members import Members
from app.administration.submission import Step, Submission
from app.administration.surroundings import SurroundingsReader
from domain.admin.changes import Change, decide, decide_restore
from domain.admin.entities import ARCHIVED_FOR_GOOD, PriceBook, User
from domain.admin.errors import (
    AdminError,
    ArchivedError,
    BulkRefusedError,
    InvalidEntityError,
    NameTakenError,
    NotArchivedError,
    NotFoundError,
    PasswordRefusedError,
    VersionConflictError,
    words,
)
from domain.admin.events import (
    Archived,
    Bulk,
    BulkItem,
    Changed,
    ChannelKeyChanged,
    Created,
    LoggedIn,
    PasswordChanged,
    Restored,
    TenantLooked,
)
from domain.admin.rules import (
    check,
    check_archive,
    check_shape,
    costs_of,
    home,
    id_of,
    previous_card,
    with_id,
)
from domain.errors import TallygateError
from domain.events import Event, admin_type_name, type_name
from domain.ids import PLATFORM, EntityId, TenantId, derive_id
from domain.pricing.comparison import below_cost, gaps
from domain.pricing.lint import Finding, lint
from domain.pricing.rate_card import RateCard

if TYPE_CHECKING:
    import asyncpg

    from adapters.vault import Vault
    from domain.ports import Ledger

    Pool = asyncpg.Pool[asyncpg.Record]

Transform = Callable[[Any], Any]
"""From a thing as it is to how it shall be."""

_ATTEMPTS: Final = 8
"""How often a change that names no version is made again on top of somebody else's."""
_KEY_MAX: Final = 4096
_KEYS_MAX: Final = 65_536
_HISTORY_MAX: Final = 500


class Administration:
    """Creates, changes, archives and reads what people administer. Permissions are the caller's to check."""

    def __init__(
        self,
        ledger: "Ledger",
        pool: "Pool",
        vault: "Vault | None",
        *,
        ids: Callable[[], str] = new_id,
        clock: Callable[[], dt.datetime] = now,
        passwords: Passwords | None = None,
        on_change: Callable[[TenantId], Awaitable[None]] | None = None,
    ) -> None:
        """Take what it works with; without a vault no channel can be given a key.

        `on_change` is awaited after each change, so that this process's caches follow at once.
        """
        self._vault = vault
        self._ids = ids
        self._on_change = on_change
        self._passwords = passwords or Passwords()
        self.store = AdminStore(pool)
        self._submission = Submission(ledger, pool)
        self._surroundings = SurroundingsReader(self.store, clock)
        self._members = Members(self._submission, self.store, ids)

    # Reading.

    async def get(self, kind: str, entity_id: str, *, tenant_id: TenantId | None = None) -> Stored:
        """Give a thing as it stands, archived or not; NotFoundError.

        With `tenant_id` only what stands in that tenant's lane is found: what a tenant's own people ask must name it.
        """
        found = await self.store.get(kind, entity_id, tenant_id)
        if found is None:
            raise NotFoundError(kind, entity_id)
        return found

    async def find(self, kind: str, key: str) -> Stored | None:
        """Give a user by login, a token by the SHA-256 of its secret, a code batch by the SHA-256 of a code."""
        return await self.store.find(kind, key)

    async def list(
        self,
        kind: str,
        *,
        tenant_id: TenantId | None = None,
        tenant_ids: Sequence[TenantId] | None = None,
        owner: str | None = None,
        member_of: TenantId | None = None,
        search: str = "",
        archived: bool | None = False,
        filters: Mapping[str, Any] | None = None,
        sort: str = DEFAULT_SORT,
        after: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Give a part of the list of a kind, in the order `sort`.

        `tenant_id` narrows to a tenant's lane, `tenant_ids` to those of several. `owner` is a token's user, a tenant's
        user group, a group's side, or a rate card's use. `member_of` narrows users to a tenant's members. `archived`:
        None is both. `filters` are what `adapters.postgres.admin_lists` knows of the kind, by field. `after` is the
        `next` of the page before; InvalidEntityError if it is not.
        """
        return await self.store.page(
            kind,
            tenant_id=tenant_id,
            tenant_ids=tenant_ids,
            owner=owner,
            member_of=member_of,
            search=search,
            archived=archived,
            filters=filters,
            sort=sort,
            after=after,
            limit=limit,
        )

    async def history(
        self, kind: str, entity_id: str, *, tenant_id: TenantId | None = None, limit: int = 50
    ) -> Sequence[HistoryEntry]:
        """Give the changes of a thing, the latest first, each with its actor, reason, before and after."""
        return await self.store.history(kind, entity_id, tenant_id, max(1, min(limit, _HISTORY_MAX)))

    # Changing.

    async def create(
        self,
        kind: str,
        entity: Any,
        *,
        actor: str,
        reason: str = "",
        correlation_id: str | None = None,
        event_id: str | None = None,
        force: bool = False,
        secret: str | None = None,
    ) -> Stored:
        """Make a thing. Its id may be left empty (a tenant's 0): it is then made from the event's.

        The same `event_id` again gives what it made the first time. `secret` is a channel's key; `force` publishes a
        rate card that the price lint refuses. Raises AdminError, PricingError, LedgerUnavailableError.
        """
        event_id = event_id or self._ids()
        entity = with_id(kind, entity, event_id)
        entity = _with_key(kind, entity, secret)
        entity_id, tenant_id = id_of(kind, entity), home(kind, entity)
        event = Created(after=entity, reason=reason)
        done = await self._submission.recorded(tenant_id, event_id, admin_type_name(kind, event))
        if done is not None:
            return await self._settled(kind, done.after, Step(None, done.after, event_id, actor))
        check_shape(kind, entity)
        check(kind, None, entity, await self._surroundings.read(kind, entity), force=force)
        if kind == "tenant":
            await self._submission.open_lane(tenant_id)
        if secret:
            await self._keep_key(entity_id, 1, event_id, secret)
        try:
            await self._submission.submit(
                tenant_id,
                admin_type_name(kind, event),
                event,
                decide(kind, None, entity, 0),
                event_id=event_id,
                actor=actor,
                correlation_id=correlation_id,
                dropped_key=entity_id if secret else None,
            )
        except NameTakenError:
            # Whoever is refused looks for what another has made.
            await self._submission.advance(tenant_id)
            raise
        return await self._settled(kind, entity, Step(None, entity, event_id, actor))

    async def change(
        self,
        kind: str,
        entity_id: str,
        version: int | None,
        change: Any | Transform,
        *,
        actor: str,
        reason: str = "",
        correlation_id: str | None = None,
        event_id: str | None = None,
        tenant_id: TenantId | None = None,
        force: bool = False,
    ) -> Stored:
        """Change a thing to a new state, given whole or as a function of the present one.

        With a version, anybody else's change since then is VersionConflictError; without one, `change` must be a
        function, and is asked again. A change to what is there already leaves no event.
        """
        for attempt in range(_ATTEMPTS):
            found = await self.get(kind, entity_id, tenant_id=tenant_id)
            if event_id is not None:
                done = await self._submission.recorded(found.tenant_id, event_id, f"{kind}.changed.v1")
                if done is not None:
                    return await self._settled(kind, found.entity, Step(done.before, done.after, event_id, actor))
            self._expect(found, version)
            after = change(found.entity) if callable(change) else change
            if after == found.entity:
                return found
            check(kind, found.entity, after, await self._surroundings.read(kind, after), force=force)
            event = Changed(before=found.entity, after=after, reason=reason)
            used = event_id or self._ids()
            try:
                await self._submission.submit(
                    found.tenant_id,
                    admin_type_name(kind, event),
                    event,
                    decide(kind, found.entity, after, found.version),
                    event_id=used,
                    actor=actor,
                    correlation_id=correlation_id,
                )
            except VersionConflictError:
                await self._submission.advance(found.tenant_id)
                if version is not None or not callable(change) or attempt == _ATTEMPTS - 1:
                    raise
                continue
            return await self._settled(kind, after, Step(found.entity, after, used, actor))
        raise AssertionError("the last attempt returns or raises")

    async def bulk(
        self,
        kind: str,
        steps: Sequence[BulkStep],
        *,
        actor: str,
        reason: str = "",
        correlation_id: str | None = None,
    ) -> Sequence[Stored]:
        """Make and change several things of one kind and one tenant, all of them or none.

        Raises BulkRefusedError, which says what is wrong with which of them.
        """
        event_id = self._ids()
        prepared = await self._prepare(kind, steps, event_id)
        refuse_repeated(kind, prepared)
        tenant_id = prepared[0].tenant_id
        event: Bulk[Any] = Bulk(
            items=tuple(BulkItem(before=step.before, after=step.after) for step in prepared), reason=reason
        )
        keyed = [step for step in prepared if step.secret]
        for step in keyed:
            await self._keep_key(id_of(kind, step.after), 1, event_id, step.secret or "")
        change, owners = joined(kind, prepared)
        try:
            await self._submission.submit(
                tenant_id,
                admin_type_name(kind, event),
                event,
                change,
                event_id=event_id,
                actor=actor,
                correlation_id=correlation_id,
            )
        except TallygateError as refusal:
            if id(refusal) not in owners:
                raise
            for step in keyed:
                await self.store.drop_channel_key(id_of(kind, step.after), event_id)
            raise BulkRefusedError({owners[id(refusal)]: refusal}) from refusal
        await self._submission.advance(tenant_id)
        if self._on_change is not None:
            await self._on_change(tenant_id)
        return [await self.get(kind, id_of(kind, step.after), tenant_id=tenant_id) for step in prepared]

    async def _prepare(self, kind: str, steps: Sequence[BulkStep], event_id: str) -> Sequence[Prepared]:
        prepared = []
        refusals: dict[int, TallygateError] = {}
        for index, step in enumerate(steps):
            try:
                prepared.append(await self._prepared(kind, step, derive_id(event_id, f"item-{index}")))
            except TallygateError as refusal:
                refusals[index] = refusal
        if refusals:
            raise BulkRefusedError(refusals)
        return prepared

    async def _prepared(self, kind: str, step: BulkStep, item_id: str) -> Prepared:
        if step.transform is None:
            after = _with_key(kind, with_id(kind, step.entity, item_id), step.secret)
            if step.secret:
                _check_key(step.secret)
            before, version = None, 0
        else:
            found = await self.get(kind, step.entity_id)
            self._expect(found, step.version)
            before, version, after = found.entity, found.version, step.transform(found.entity)
        check_shape(kind, after)
        check(kind, before, after, await self._surroundings.read(kind, after))
        return Prepared(before=before, after=after, version=version, tenant_id=home(kind, after), secret=step.secret)

    async def archive(
        self,
        kind: str,
        entity_id: str,
        version: int | None,
        *,
        actor: str,
        reason: str = "",
        correlation_id: str | None = None,
        event_id: str | None = None,
        tenant_id: TenantId | None = None,
    ) -> Stored:
        """Take a thing out of use for good; its history stays, and its name is free again.

        Without a version it is archived as it is, whatever it was changed to in between.
        """
        for attempt in range(_ATTEMPTS):
            found = await self.get(kind, entity_id, tenant_id=tenant_id)
            if event_id is not None:
                done = await self._submission.recorded(found.tenant_id, event_id, f"{kind}.archived.v1")
                if done is not None:
                    return await self._settled(kind, found.entity, Step(done.before, None, event_id, actor))
            self._expect(found, version)
            check_archive(kind, found.entity, await self._surroundings.read(kind, found.entity, archive=True))
            event: Archived[Any] = Archived(before=found.entity, reason=reason)
            used = event_id or self._ids()
            try:
                await self._submission.submit(
                    found.tenant_id,
                    admin_type_name(kind, event),
                    event,
                    decide(kind, found.entity, None, found.version),
                    event_id=used,
                    actor=actor,
                    correlation_id=correlation_id,
                )
            except VersionConflictError:
                await self._submission.advance(found.tenant_id)
                if version is not None or attempt == _ATTEMPTS - 1:
                    raise
                continue
            return await self._settled(kind, found.entity, Step(found.entity, None, used, actor))
        raise AssertionError("the last attempt returns or raises")

    async def restore(
        self,
        kind: str,
        entity_id: str,
        version: int,
        *,
        actor: str,
        reason: str = "",
        correlation_id: str | None = None,
        tenant_id: TenantId | None = None,
    ) -> Stored:
        """Put an archived thing into use again, as it was; NameTakenError if another has its name by now.

        NotArchivedError for what is in use, and for tokens and rate cards, which are archived for good.
        """
        found = await self.get(kind, entity_id, tenant_id=tenant_id)
        if found.version != version:
            raise VersionConflictError(kind, entity_id, version)
        if not found.archived or kind in ARCHIVED_FOR_GOOD:
            raise NotArchivedError(f"The {words(kind)} {entity_id} is in use, or archived for good.")
        check(kind, None, found.entity, await self._surroundings.read(kind, found.entity))
        event: Restored[Any] = Restored(after=found.entity, reason=reason)
        event_id = self._ids()
        await self._submission.submit(
            found.tenant_id,
            admin_type_name(kind, event),
            event,
            decide_restore(kind, found.entity, found.version),
            event_id=event_id,
            actor=actor,
            correlation_id=correlation_id,
        )
        return await self._settled(kind, found.entity, Step(None, found.entity, event_id, actor))

    async def set_channel_key(
        self,
        channel_id: str,
        version: int | None,
        key: str,
        *,
        actor: str,
        reason: str = "",
        correlation_id: str | None = None,
        event_id: str | None = None,
    ) -> Stored:
        """Give a channel a new vendor key. It is encrypted, and in no event; the channel shows its last characters."""
        found = await self.get("channel", channel_id, tenant_id=PLATFORM)
        event_id = event_id or self._ids()
        step = Step(None, found.entity, event_id, actor)
        if await self._submission.recorded(PLATFORM, event_id, "channel_key.changed.v1") is not None:
            return await self._settled("channel", found.entity, step)
        self._expect(found, version)
        next_version = found.entity.key_version + 1
        event = ChannelKeyChanged(
            channel_id=EntityId(channel_id), hint=_key_hint(key), version=next_version, reason=reason
        )
        await self._keep_key(channel_id, next_version, event_id, key)
        await self._submission.submit(
            PLATFORM,
            type_name(event),
            event,
            decide("channel", found.entity, found.entity, found.version),
            event_id=event_id,
            actor=actor,
            correlation_id=correlation_id,
            dropped_key=channel_id,
        )
        await self.store.drop_channel_keys(channel_id, next_version, event_id)
        return await self._settled("channel", found.entity, step)

    async def lint_card(self, book: PriceBook) -> Sequence[Finding]:
        """Give what the price lint says to a card, against the one that it would follow and what vendors charge."""
        around = await self._surroundings.read("rate_card", book)
        findings = lint(book.card, previous_card(around.cards, book))
        if book.use == "sale":
            channels = [each.entity for each in await self.store.all("channel", PLATFORM) if each.entity.enabled]
            served = {name for channel in channels for name in (*channel.models, *channel.model_map)}
            findings += gaps(book.card, served)
            findings += below_cost(book.card, costs_of(channels, around.cards, book.card.effective_from))
        return findings

    async def previous_card(self, book: PriceBook) -> RateCard | None:
        """Give the card that a card follows, or would follow: the one in force when it takes effect."""
        around = await self._surroundings.read("rate_card", book)
        others = [each for each in around.cards if each.card_id != book.card_id]
        return previous_card(others, book)

    # Passwords.

    async def set_password(
        self,
        user_id: str,
        password: str,
        *,
        actor: str,
        reason: str = "",
        must_change: bool = False,
        keep_session: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Give a user a new password, and end the user's sessions but for the one of the hash `keep_session`.

        `must_change` says that it has to be changed at the next login. PasswordRefusedError for one that is too short,
        NotFoundError and ArchivedError for a user who is not there.
        """
        if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
            raise PasswordRefusedError(f"A password has {LENGTH_MIN} to {LENGTH_MAX} characters.")
        self._expect(await self.get("user", user_id, tenant_id=PLATFORM), None)
        hashed = await self._passwords.hash(password)
        correlation_id = correlation_id or self._ids()
        if must_change:
            await self._mark_password(user_id, must_change=True, actor=actor, correlation_id=correlation_id)
        event_id = self._ids()
        await self.store.save_password(user_id, event_id, hashed)
        event = PasswordChanged(user_id=EntityId(user_id), reason=reason)
        await self._submission.submit(
            PLATFORM,
            type_name(event),
            event,
            Change((), (), ()),
            event_id=event_id,
            actor=actor,
            correlation_id=correlation_id,
        )
        await self._submission.advance(PLATFORM)
        await self.store.end_sessions(user_id, keep=keep_session)
        await self.store.drop_passwords(user_id, event_id)
        if not must_change:
            await self._mark_password(user_id, must_change=False, actor=actor, correlation_id=correlation_id)

    async def check_password(self, login: str, password: str) -> Stored | None:
        """Give the user whom login and password name together, or None; it takes as long either way.

        A disabled user is given like any other: the caller refuses.
        """
        user = await self.store.find("user", login.strip().casefold())
        # Asked of nobody, too, so that an unknown login takes as many queries as a known one.
        hashed = await self.store.password(user.entity_id if user is not None else self._ids())
        if not await self._passwords.verify(hashed, password) or user is None or hashed is None:
            return None
        if self._passwords.outdated(hashed):
            await self.store.replace_hash(user.entity_id, hashed, await self._passwords.hash(password))
        return user

    async def note_login(self, user_id: str, *, correlation_id: str | None = None) -> None:
        """Record that a person opened a session."""
        await self.note(LoggedIn(user_id=EntityId(user_id)), actor=f"user:{user_id}", correlation_id=correlation_id)

    async def note(
        self,
        event: Event,
        *,
        actor: str,
        tenant_id: TenantId = PLATFORM,
        correlation_id: str | None = None,
        event_id: str | None = None,
    ) -> None:
        """Record what changes nothing that is administered; the same `event_id` and event again are recorded once."""
        await self._submission.submit(
            tenant_id,
            type_name(event),
            event,
            Change((), (), ()),
            event_id=event_id or self._ids(),
            actor=actor,
            correlation_id=correlation_id,
        )

    async def record_look(self, look: TenantLooked, *, actor: str, event_id: str) -> None:
        """Record that somebody of the operator looks at a tenant's data; NotFoundError for no such tenant."""
        await self.note(look, actor=actor, tenant_id=look.tenant_id, event_id=event_id)
        await self._submission.advance(look.tenant_id)

    async def settle_members(self) -> int:
        """Do at a start what a crash left undone in the lanes of users' tenants; give how many accounts it was."""
        return await self._members.settle()

    # Parts.

    def _expect(self, found: Stored, version: int | None) -> None:
        if version is not None and version != found.version:
            raise VersionConflictError(found.kind, found.entity_id, version)
        if found.archived:
            raise ArchivedError(found.kind, found.entity_id)

    async def _settled(self, kind: str, entity: Any, step: Step) -> Stored:
        """Do what follows from an accepted change, so that its caller reads it; doing it again does no harm."""
        tenant_id = home(kind, entity)
        await self._submission.advance(tenant_id)
        stored = await self.get(kind, id_of(kind, entity), tenant_id=tenant_id)
        if kind == "user":
            await self._members.follow(stored, step)
        if self._on_change is not None:
            await self._on_change(tenant_id)
        return stored

    async def _mark_password(self, user_id: str, *, must_change: bool, actor: str, correlation_id: str) -> None:
        def mark(user: User) -> User:
            return msgspec.structs.replace(user, must_change_password=must_change)

        await self.change("user", user_id, None, mark, actor=actor, correlation_id=correlation_id, tenant_id=PLATFORM)

    async def _keep_key(self, channel_id: str, version: int, event_id: str, key: str) -> None:
        _check_key(key)
        if self._vault is None:
            raise AdminError("There is no secret key file, so no channel can be given a key.")
        sealed = self._vault.seal(key, f"channel:{channel_id}:{version}")
        await self.store.save_channel_key(channel_id, version, event_id, sealed)


def _with_key(kind: str, entity: Any, secret: str | None) -> Any:
    """Give a new channel with what is shown of its key; other things as they are."""
    if kind != "channel":
        return entity
    return msgspec.structs.replace(entity, key_version=1 if secret else 0, key_hint=_key_hint(secret) if secret else "")


def _check_key(key: str) -> None:
    """Refuse what is no key, nor several of them on a line each, nor a service account's JSON."""
    lines = [line for line in key.splitlines() if line.strip()]
    is_document = key.lstrip().startswith("{")
    is_long = len(key) > _KEYS_MAX or (not is_document and any(len(line) > _KEY_MAX for line in lines))
    is_plain = all(line.expandtabs().isprintable() and line.isascii() for line in lines)
    if not lines or is_long or not is_plain:
        raise InvalidEntityError(
            "key",
            f"A vendor's key is a line of at most {_KEY_MAX} plain characters; several keys are on a line each, and a"
            " service account's JSON is given as it is.",
        )


def _key_hint(key: str) -> str:
    """Give the last characters of a vendor's key; none of a short one, which they would tell too much of."""
    key = key.strip()
    return f"...{key[-4:]}" if len(key) >= 16 and not key.startswith("{") else "..."  # noqa: PLR2004 -- a quarter of the key at most
