"""Several things of one kind at once: all are made or changed by one command of the ledger, or none is."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.admin.changes import Change, decide, name_of
from domain.admin.errors import BulkRefusedError, InvalidEntityError, NameTakenError
from domain.admin.rules import id_of
from domain.ids import TenantId

if TYPE_CHECKING:
    from domain.errors import TallygateError
    from domain.ledger.commands import Leg, Opening

ITEMS_MAX: Final = 200


class BulkStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to be made, or one to be changed from a version that somebody has seen."""

    entity: Any = None
    """What is to be made; None for a change."""
    secret: str | None = None
    """A new channel's key."""
    entity_id: str = ""
    version: int = 0
    transform: Callable[[Any], Any] | None = None


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A step that has passed every check that can be made before the ledger's."""

    before: Any
    after: Any
    version: int
    """The number of changes so far."""
    tenant_id: TenantId
    secret: str | None = None


def refuse_repeated(kind: str, prepared: Sequence[Prepared]) -> None:
    """Raise BulkRefusedError where two of the steps are about one thing, or want one name."""
    seen: set[object] = set()
    refusals: dict[int, TallygateError] = {}
    for index, step in enumerate(prepared):
        name = name_of(kind, step.after)
        if id_of(kind, step.after) in seen:
            refusals[index] = InvalidEntityError("id", "Each thing stands in the list only once.")
        elif name is not None and name in seen:
            refusals[index] = NameTakenError(*name)
        if step.tenant_id != prepared[0].tenant_id:
            refusals[index] = InvalidEntityError("tenant_id", "All must be of the same tenant.")
        seen |= {id_of(kind, step.after), name}
    if refusals:
        raise BulkRefusedError(refusals)


def joined(kind: str, prepared: Sequence[Prepared]) -> tuple[Change, dict[int, int]]:
    """Give what all steps ask of the ledger together, and whose each refusal is by the identity of the error."""
    legs: list[Leg] = []
    refusals: list[TallygateError] = []
    openings: dict[str, Opening] = {}
    owners: dict[int, int] = {}
    for index, step in enumerate(prepared):
        change = decide(kind, step.before, step.after, step.version)
        openings |= {opening.account_id: opening for opening in change.openings}
        for leg, refusal in zip(change.legs, change.refusals, strict=True):
            # Legs of zero only make accounts: one is enough, such as for the member whose tokens they all are.
            if leg in legs:
                continue
            legs.append(leg)
            refusals.append(refusal)
            owners[id(refusal)] = index
    return Change(tuple(legs), tuple(openings.values()), tuple(refusals)), owners
