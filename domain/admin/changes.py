"""From a change of an administered thing to what the ledger must check and do with it, in one command.

Each leg carries the refusal that it stands for, so that an answer of the ledger finds its words again.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from domain.accounts import (
    code_account,
    credit_line,
    name_account,
    tenant_account,
    tenant_openings,
    token_account,
    user_account,
    version_account,
)
from domain.admin.entities import CodeBatch, Entity, Tenant, Token, User
from domain.admin.errors import LastRootError, NameTakenError, NotFoundError, VersionConflictError
from domain.admin.rules import id_of
from domain.errors import TallygateError
from domain.ids import EntityId, TenantId
from domain.ledger.commands import Answer, Code, Leg, Op, Opening, Unit

ROOTS: Final = name_account("count", "root")
"""Counts the users with the role root who can log in; never falls below one."""


class Part(msgspec.Struct, frozen=True):
    """One leg, the account that must be there for it, and what it means if the ledger refuses it."""

    leg: Leg
    refusal: TallygateError
    opening: Opening | None = None


class Change(msgspec.Struct, frozen=True):
    """What a change asks of the ledger."""

    legs: tuple[Leg, ...]
    openings: tuple[Opening, ...]
    refusals: tuple[TallygateError, ...]
    """One per leg."""

    def refusal(self, answer: Answer) -> TallygateError | None:
        """Give the error that an answer's leg stands for, or None if it is about no leg."""
        if answer.code in {Code.VERSION, Code.LIMIT, Code.UNKNOWN_ACCOUNT} and 0 < answer.leg <= len(self.refusals):
            return self.refusals[answer.leg - 1]
        return None


def decide(kind: str, before: Entity | None, after: Entity | None, version: int) -> Change:
    """Give the ledger's part of a creation (`before` is None), a change or an archiving (`after` is None).

    `version` is the number of changes so far: 0 for a creation.
    """
    known = after if after is not None else before
    assert known is not None
    entity_id = id_of(kind, known)
    parts = [_version(kind, entity_id, version), *_names(kind, before, after), *_accounts(kind, before, after)]
    openings: dict[str, Opening] = {part.opening.account_id: part.opening for part in parts if part.opening is not None}
    if isinstance(after, Tenant) and before is None:
        openings |= {opening.account_id: opening for opening in tenant_openings(after.tenant_id)}
    return Change(tuple(part.leg for part in parts), tuple(openings.values()), tuple(part.refusal for part in parts))


def _version(kind: str, entity_id: str, version: int) -> Part:
    account = version_account(entity_id)
    opening = Opening(account, f"version:{kind}:{entity_id}", Unit.VERSION) if version == 0 else None
    refusal: TallygateError = VersionConflictError(kind, entity_id, version)
    if version == 0:
        refusal = NameTakenError(kind, entity_id)
    return Part(Leg(account, 1, version, Op.EXPECT), refusal, opening)


def decide_restore(kind: str, entity: Entity, version: int) -> Change:
    """Give the ledger's part of putting an archived thing into use again: its name, if it is still free."""
    parts = [_version(kind, id_of(kind, entity), version), *_names(kind, None, entity)]
    if isinstance(entity, Tenant) and not entity.suspended:
        missing = NotFoundError("tenant", str(entity.tenant_id))
        parts.append(Part(Leg(tenant_account(entity.tenant_id), op=Op.OPEN), missing))
    if isinstance(entity, User):
        parts += _roots(None, entity)
    openings = {part.opening.account_id: part.opening for part in parts if part.opening is not None}
    return Change(tuple(part.leg for part in parts), tuple(openings.values()), tuple(part.refusal for part in parts))


_NAMES: Final[dict[str, Callable[[Any], tuple[str, str]]]] = {
    "user": lambda user: ("user", user.login),
    "channel": lambda channel: ("channel", channel.name),
    "group": lambda group: (f"{group.side}_group", group.label),
    "multiplier": lambda cell: ("multiplier", f"{cell.user_group}:{cell.channel_group}"),
    "rate_card": lambda book: ("rate_card", f"{book.card.card_id}:{book.card.version}"),
    "mapping": lambda mapping: ("mapping", f"{mapping.tenant_id or ''}:{mapping.model}"),
    "setting": lambda setting: ("setting", setting.name),
    "code_batch": lambda batch: ("code_batch", batch.name),
    # One policy for each scope, so that no two compete.
    "routing_policy": lambda policy: (
        "routing_policy",
        f"{policy.tenant_id or ''}:{policy.user_group}:{policy.model}",
    ),
}


def name_of(kind: str, entity: Entity) -> tuple[str, str] | None:
    """Give the name of a thing that no other may have, after what it is a name of; tenants and tokens need none."""
    return _NAMES[kind](entity) if kind in _NAMES else None


def _names(kind: str, before: Entity | None, after: Entity | None) -> Iterator[Part]:
    old = name_of(kind, before) if before is not None else None
    new = name_of(kind, after) if after is not None else None
    if old == new:
        return
    if old is not None:
        # The version leg before this one has shown that the name is this thing's.
        yield Part(Leg(name_account(*old), -1, 1, Op.EXPECT), NotFoundError(*old))
    if new is not None:
        opening = Opening(name_account(*new), f"name:{new[0]}:{new[1]}", Unit.VERSION)
        yield Part(Leg(opening.account_id, 1, 0, Op.EXPECT), NameTakenError(*new), opening)


def _accounts(kind: str, before: Any, after: Any) -> Iterator[Part]:
    match kind:
        case "tenant":
            yield from _tenant(before, after)
        case "token":
            yield from _token(before, after)
        case "user":
            yield from _roots(before, after)
        case "code_batch" if before is None:
            yield from _codes(after)
        case _:
            pass


def _tenant(before: Tenant | None, after: Tenant | None) -> Iterator[Part]:
    known = after or before
    assert known is not None
    missing = NotFoundError("tenant", str(known.tenant_id))
    if after is not None and after.credit_limit_nanos != (before.credit_limit_nanos if before else 0):
        yield Part(Leg(credit_line(after.tenant_id), -after.credit_limit_nanos, op=Op.FLOOR), missing)
    closed, was_closed = after is None or after.suspended, before is not None and before.suspended
    if closed != was_closed:
        yield Part(Leg(tenant_account(known.tenant_id), op=Op.CLOSE if closed else Op.OPEN), missing)


def _token(before: Token | None, after: Token | None) -> Iterator[Part]:
    token = after or before
    assert token is not None
    account = token_account(token.token_id)
    missing = NotFoundError("token", token.token_id)
    closed, was_closed = after is None or after.revoked, before is not None and before.revoked
    if before is None:
        member = member_opening(token.tenant_id, token.user_id)
        # Legs of zero: they do nothing but make the accounts that the token's requests will need.
        yield Part(Leg(account), missing, Opening(account, f"token:{token.token_id}", Unit.MONEY))
        yield Part(Leg(member.account_id), missing, member)
    if closed and not was_closed:
        yield Part(Leg(account, op=Op.CLOSE), missing)


def member_opening(tenant_id: TenantId, user_id: EntityId) -> Opening:
    """Give the account that counts what a member spends of a tenant's money."""
    return Opening(user_account(tenant_id, user_id), f"user:{tenant_id}:{user_id}", Unit.MONEY)


def member_guard(tenant_id: TenantId, user_id: EntityId) -> Opening:
    """Give the account that has the version of a user that last closed or opened the member's account."""
    owner = f"{tenant_id}:{user_id}"
    return Opening(version_account(owner), f"version:member:{owner}", Unit.VERSION)


def is_root(user: User | None) -> bool:
    """Say whether a user can do everything."""
    return user is not None and user.platform_role == "root" and not user.disabled


def _roots(before: User | None, after: User | None) -> Iterator[Part]:
    if is_root(before) == is_root(after):
        return
    opening = Opening(ROOTS, "count:root", Unit.VERSION)
    if is_root(after):
        yield Part(Leg(ROOTS, 1), LastRootError(), opening)
    else:
        yield Part(Leg(ROOTS, -1, 1), LastRootError(), opening)


def _codes(batch: CodeBatch) -> Iterator[Part]:
    for code in batch.hashes:
        account = code_account(code)
        opening = Opening(account, f"code:{batch.batch_id}:{code[:12]}", Unit.REQUESTS)
        # Expected to be empty: a code that another batch has made must not get more uses by this one.
        yield Part(Leg(account, batch.uses_per_code, 0, Op.EXPECT), NameTakenError("code", code[:12]), opening)


def open_memberships(user: User | None) -> frozenset[TenantId]:
    """Give the tenants whose money a user may spend."""
    if user is None or user.disabled:
        return frozenset()
    return frozenset(place.tenant_id for place in user.memberships)
