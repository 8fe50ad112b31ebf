"""The receipt of a request: everything that the log knows of it, and its price computed again from its factors."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from domain.errors import TallygateError
from domain.events import decode
from domain.holds.events import (
    Attempt,
    AttemptFailed,
    HoldAuthorized,
    HoldCaptured,
    HoldExpired,
    HoldVoided,
    RoutingNote,
)
from domain.ids import EntityId, EventId, TenantId, day_of, derive_id
from domain.money import format_amount
from domain.pricing.charge import Charge, ChargeFactors, reprice

if TYPE_CHECKING:
    import asyncpg

ATTEMPTS_MAX: Final = 32
"""More attempts of one request than there can be: their ids are derived, so nothing is searched."""


class UnknownRequestError(TallygateError):
    """No request of this id, or not one of these tenants."""

    code: ClassVar[str] = "not_found"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What one event did to one account."""

    account: str
    """In words: `grant.paid:<id>`, `token:<id>`, `budget.token.money.day:<id>:2026-11-23`."""
    posted: int
    """In the account's own unit: nano-units for money."""
    held: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the request, with what it did."""

    event_id: EventId
    type: str
    recorded_at: dt.datetime
    position: int
    actor: str
    value: Any
    entries: tuple[Entry, ...]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A charge and its proof."""

    charged_nanos: int
    factors: ChargeFactors
    recomputed_nanos: int
    exact: str
    """The nano-units before rounding, as a decimal or a fraction."""
    paid_by_allowance: bool
    """The group's free allowance paid, at the price with multiplier 1; the wallet paid nothing."""
    matches: bool
    """Whether computing the recorded factors again gives what was charged."""


class Burn(msgspec.Struct, frozen=True, kw_only=True):
    """What one grant, or the credit line, paid."""

    account: str
    amount_nanos: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """All of one request."""

    request_id: str
    tenant_id: TenantId
    state: Literal["held", "captured", "voided", "expired"]
    """`held`, `captured`, `voided` or `expired`."""
    hold: Step
    attempts: tuple[Attempt, ...]
    terminal: Step | None
    adjustments: tuple[Step, ...]
    price: Price | None
    burnt: tuple[Burn, ...]
    """Which grants paid, the adjustments included, in the order in which they burnt."""
    text: tuple[str, ...]
    """The same for people, a line each."""

    @property
    def token_id(self) -> EntityId:
        """The token that asked."""
        return EntityId(self.hold.value.token_id)


class Receipts:
    """Reads receipts from the log; nothing is stored for them."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Take connections to read by."""
        self._pool = pool

    async def read(self, request_id: str, tenant_ids: Sequence[TenantId] | None) -> Receipt:
        """Give the receipt of a request of these tenants, None being all; raises UnknownRequestError."""
        request_id = _request_id(request_id)
        tenant_id = await self._tenant_of(request_id, tenant_ids)
        ids = _ids(request_id)
        rows = await self._pool.fetch(_EVENTS, list(ids), tenant_id, day_of(request_id))
        accounts = sorted({account for row in rows for account in row["account_ids"]})
        names = await self._pool.fetch(_NAMES, accounts, tenant_id)
        by_account = {row["account_id"]: row["name"] for row in names}
        steps = {row["event_id"]: _step(row, by_account) for row in rows}
        return _receipt(request_id, tenant_id, [(ids[step.event_id], step) for step in steps.values()])

    async def _tenant_of(self, request_id: str, tenant_ids: Sequence[TenantId] | None) -> TenantId:
        tenant_id = await self._pool.fetchval(
            "SELECT tenant_id FROM ledger.event WHERE event_id = $1 AND day = $2 AND type = 'hold.authorized.v1'"
            " AND ($3::bigint[] IS NULL OR tenant_id = ANY ($3))",
            request_id,
            day_of(request_id),
            tenant_ids,
        )
        if tenant_id is None:
            raise UnknownRequestError(f"There is no request {request_id}.")
        return TenantId(tenant_id)


_EVENTS: Final = """
SELECT event_id::text, type, recorded_at, position, actor, data, account_ids::text[], posted, held
FROM ledger.event
WHERE event_id = ANY ($1::uuid[]) AND tenant_id = $2 AND day = $3
ORDER BY position
"""

_NAMES: Final = """
SELECT account_id::text, name FROM ledger.account WHERE account_id = ANY ($1::uuid[]) AND tenant_id = $2
"""


def _request_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise UnknownRequestError("There is no such request.") from None


def _ids(request_id: str) -> dict[EventId, str]:
    """Give every id that an event of the request can have, with its part in the receipt."""
    ids = {EventId(request_id): "hold", derive_id(request_id, "terminal"): "terminal"}
    ids |= {derive_id(request_id, f"attempt-{number}"): "attempt" for number in range(1, ATTEMPTS_MAX + 1)}
    ids[derive_id(request_id, "adjustment")] = "adjustment"
    return ids


def _step(row: "asyncpg.Record", names: dict[str, str]) -> Step:
    return Step(
        event_id=EventId(row["event_id"]),
        type=row["type"],
        recorded_at=row["recorded_at"],
        position=row["position"],
        actor=row["actor"],
        value=decode(row["type"], row["data"]),
        entries=tuple(
            # A window that nobody can touch any more may have been purged; its id is all that is left of it.
            Entry(account=names.get(account, account), posted=posted, held=held)
            for account, posted, held in zip(row["account_ids"], row["posted"], row["held"], strict=True)
        ),
    )


def _receipt(request_id: str, tenant_id: TenantId, parts: Sequence[tuple[str, Step]]) -> Receipt:
    hold = next(step for part, step in parts if part == "hold")
    terminal = next((step for part, step in parts if part == "terminal"), None)
    adjustments = tuple(step for part, step in parts if part == "adjustment")
    failed = [step.value for part, step in parts if part == "attempt"]
    attempts = _attempts(failed, terminal)
    price = _price(terminal.value) if terminal is not None and isinstance(terminal.value, HoldCaptured) else None
    burnt = _burnt([*([terminal] if terminal is not None else []), *adjustments])
    return Receipt(
        request_id=request_id,
        tenant_id=tenant_id,
        state=_state(terminal),
        hold=hold,
        attempts=attempts,
        terminal=terminal,
        adjustments=adjustments,
        price=price,
        burnt=burnt,
        text=tuple(_text(hold.value, attempts, terminal, price, burnt)),
    )


def _state(terminal: Step | None) -> Literal["held", "captured", "voided", "expired"]:
    match terminal.value if terminal is not None else None:
        case HoldCaptured():
            return "captured"
        case HoldVoided():
            return "voided"
        case HoldExpired():
            return "expired"
        case _:
            return "held"


def _attempts(failed: Sequence[AttemptFailed], terminal: Step | None) -> tuple[Attempt, ...]:
    attempts = [event.attempt for event in sorted(failed, key=lambda event: event.number)]
    last = getattr(terminal.value, "attempt", None) if terminal is not None else None
    if last is not None and getattr(terminal.value, "cached", False):  # type: ignore[union-attr]  # last comes from it
        # No vendor was asked: it stands for the answer that the gateway had.
        last = None
    # The last attempt of a void may have been recorded as failed already.
    if last is not None and (not attempts or not _is_same(attempts[-1], last)):
        attempts.append(last)
    return tuple(attempts)


def _is_same(failed: Attempt, last: Attempt) -> bool:
    """Say whether a void's attempt is the one recorded as failed, which alone has its cost."""
    return failed == msgspec.structs.replace(last, cost_nanos=failed.cost_nanos)


def _price(captured: HoldCaptured) -> Price:
    charge = Charge(captured.captured_nanos + captured.allowance_nanos, captured.factors)
    # With multiplier 0 the allowance pays, at the list price; the wallet pays nothing.
    free = captured.factors.multiplier == 0
    recomputed = charge.list_nanos if free else reprice(captured.factors)
    charged = captured.allowance_nanos if free else captured.captured_nanos
    return Price(
        charged_nanos=charged,
        factors=captured.factors,
        recomputed_nanos=recomputed,
        exact=charge.exact_nanos,
        paid_by_allowance=free,
        matches=recomputed == charged,
    )


def _burnt(steps: Sequence[Step]) -> tuple[Burn, ...]:
    # Of the accounts of a request only the wallet's members pay; the others count what it used.
    return tuple(
        Burn(account=entry.account, amount_nanos=-entry.posted)
        for step in steps
        for entry in step.entries
        if entry.account.startswith(("grant", "credit_line")) and entry.posted
    )


def _text(
    hold: HoldAuthorized,
    attempts: Sequence[Attempt],
    terminal: Step | None,
    price: Price | None,
    burnt: Sequence[Burn],
) -> list[str]:
    currency = hold.currency
    lines = [
        (
            f"Asked for {hold.model_asked}; {format_amount(hold.authorized_nanos)} {currency} held for at most"
            f" {hold.prompt_tokens_upper} prompt tokens and {hold.output_tokens_max} output tokens."
        )
    ]
    if hold.routing is not None:
        lines.append(_routing_line(hold.routing))
    lines += [
        f"Attempt {number}: {attempt.model_routed} on channel {attempt.channel_id}: {attempt.outcome}"
        f" after {attempt.latency_milliseconds} ms."
        for number, attempt in enumerate(attempts, 1)
    ]
    match terminal.value if terminal is not None else None:
        case HoldCaptured() as captured:
            assert price is not None
            if captured.cached:
                lines.append("Answered from the cache: no vendor was asked.")
            lines += _price_lines(captured, price)
        case HoldVoided(reason=reason):
            lines.append(f"Nothing was charged: {reason}.")
        case HoldExpired():
            lines.append("Nothing was charged: the hold expired with no word from its node.")
        case _:
            lines.append("Under way: nothing has been charged yet.")
    lines += [f"Paid from {burn.account}: {format_amount(burn.amount_nanos)} {currency}." for burn in burnt]
    return lines


_MODES: Final = {
    "weighted": "by weight",
    "cheapest": "by cost",
    "fastest": "by speed",
    "least_busy": "by load",
    "sticky": "by who asks",
}


def _routing_line(routing: RoutingNote) -> str:
    count = max(1, len(routing.candidates))
    arm = f", arm {routing.arm} of an experiment" if routing.arm else ""
    return f"{count} channel{'' if count == 1 else 's'} to try, chosen {_MODES[routing.mode]}{arm}."


def _price_lines(captured: HoldCaptured, price: Price) -> list[str]:
    factors = price.factors
    tier = f", tier from {factors.input_tokens_from} input tokens" if factors.input_tokens_from else ""
    lines = [
        f"{line.meter}: {line.quantity} x {line.price:f} {captured.currency} per {line.per}"
        f" = {line.subtotal_nanos} nano-units."
        for line in factors.lines
    ]
    lines.append(
        f"Multiplier {factors.multiplier:f}; rate card {captured.card_id} version {captured.card_version}{tier}."
    )
    payer = "the free allowance" if price.paid_by_allowance else "the wallet"
    lines.append(
        f"Charged {format_amount(price.charged_nanos)} {captured.currency} to {payer}"
        f" (usage by {captured.basis}, {price.exact} nano-units before rounding half to even)."
    )
    proof = "the same" if price.matches else f"{format_amount(price.recomputed_nanos)}, which is NOT the same"
    lines.append(f"Computed again from these factors: {proof}.")
    return lines
