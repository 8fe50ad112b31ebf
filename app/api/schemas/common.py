"""What the schemas of every resource are made of: amounts, names, lists, histories, limits and budgets."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

import msgspec

from adapters.postgres.admin_store import HistoryEntry, Stored
from domain.admin import entities as e
from domain.admin.entities import Limits, Period
from domain.admin.errors import InvalidEntityError
from domain.money import format_amount, parse_amount

T = TypeVar("T")

Amount = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,9})?$", examples=["12.50"])]
"""A plain decimal number as text, of at most nine decimal places."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A line of text. A database column of text holds no NUL, so none may get into an event that is folded into one."""
Reason = Annotated[str, msgspec.Meta(max_length=1000, pattern=r"^[^\x00]*$")]
"""Why: kept for ever beside what was changed."""
Reference = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Login = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._@+-]{0,126}$")]
Password = Annotated[str, msgspec.Meta(max_length=1024)]
ModelNames = Annotated[tuple[Name, ...], msgspec.Meta(max_length=1000)]
CacheSeconds = Annotated[int, msgspec.Meta(ge=0, le=7 * 86_400)]
Tags = Annotated[tuple[Annotated[str, msgspec.Meta(max_length=100)], ...], msgspec.Meta(max_length=50)]
DecimalText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$", examples=["1.25"])]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request's body: a field that is not known is refused, for a typing error would otherwise go unnoticed."""


class Reasoned(Body, frozen=True, kw_only=True):
    """A body that says why."""

    reason: Reason = ""


class Versioned(Protocol):
    """What every view of an administered thing has beside its own fields."""

    @property
    def version(self) -> int:
        """The number of its changes; the ETag that a change must name."""
        ...


class Listing(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A part of a list, the newest first."""

    items: tuple[T, ...]
    next: str | None
    """What to send as `after` for the next part; null at the end."""


class HistoryItem(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One change: who did it, when, why, and what was different."""

    event_id: str
    version: int
    type: str
    at: dt.datetime
    actor: str
    reason: str
    before: T | None
    after: T | None


class History(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """The changes of a thing, the latest first."""

    items: tuple[HistoryItem[T], ...]


class LimitsBody(Limits, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Rates, counted over calendar minutes on every node together; null is no limit."""


def limits_in(body: LimitsBody) -> Limits:
    """Give the limits that a body names."""
    return Limits(**msgspec.structs.asdict(body))


# Budgets: money as text like all money, tokens as a whole number in the same form.


class BudgetBody(Body, frozen=True, kw_only=True):
    """The most that may be spent in each window of the tenant's time zone."""

    unit: Literal["money", "tokens"]
    period: Period
    amount: Amount
    """Money in units of the currency; tokens as a whole number."""


Budgets = Annotated[tuple[BudgetBody, ...], msgspec.Meta(max_length=8)]


def budgets_in(bodies: Sequence[BudgetBody]) -> tuple[e.Budget, ...]:
    """Give the budgets that a body names; raises MoneyError."""
    return tuple(e.Budget(body.unit, body.period, _budget_amount(body)) for body in bodies)


def budgets_out(budgets: Sequence[e.Budget]) -> tuple[BudgetBody, ...]:
    """Give budgets as the API shows them."""
    return tuple(
        BudgetBody(
            unit=budget.unit,
            period=budget.period,
            amount=format_amount(budget.amount) if budget.unit == "money" else str(budget.amount),
        )
        for budget in budgets
    )


def _budget_amount(body: BudgetBody) -> int:
    if body.unit == "money":
        return parse_amount(body.amount)
    # Tokens have no fractions: reading them as money finds one exactly, and reads "5.0" as five.
    tokens, rest = divmod(parse_amount(body.amount), 10**9)
    if rest:
        raise InvalidEntityError("budgets", "A budget of tokens is a whole number.")
    return tokens


def meta(stored: Stored) -> dict[str, Any]:
    """Give how often and when a thing changed."""
    return {
        "version": stored.version,
        "archived": stored.archived,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
    }


def history_item(entry: HistoryEntry, state: Any) -> HistoryItem[Any]:
    """Give one change, its before and after made by `state`; a new vendor key changes nothing that can be shown."""
    before, after = getattr(entry.value, "before", None), getattr(entry.value, "after", None)
    return HistoryItem(
        event_id=entry.event_id,
        version=entry.version,
        type=entry.type,
        at=entry.recorded_at,
        actor=entry.actor,
        reason=entry.value.reason,
        before=state(before) if before is not None else None,
        after=state(after) if after is not None else None,
    )
