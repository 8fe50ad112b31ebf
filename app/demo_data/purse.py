"""One tenant's money: how its people pay, are given credit, lose it, and settle what they owe."""

import math
import random
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.demo_data.diary import Diary
from app.demo_data.lane import time_of
from app.demo_data.people import Story
from app.demo_data.plan import HOUR, MINUTE
from app.demo_data.world import World
from app.wallets import grant_command
from domain.accounts import credit_line, grant_account, wallet
from domain.grants.events import CodeRedeemed, CreditAdjusted, CreditGranted, CreditLapsed
from domain.ids import EntityId, EventId, derive_id
from domain.ledger.commands import Command, Leg, Op

UNIT: Final = 10**9


class Purse:
    """The wallet, and the people who look at it."""

    def __init__(
        self, world: World, story: Story, diary: Diary, *, number: int, top_up: int, chance: random.Random
    ) -> None:
        """Take whose it is, and how much is paid in at once."""
        self._world = world
        self._story = story
        self._diary = diary
        self._number = number
        self._draw = chance.random
        self._grants: dict[EntityId, int] = {}
        self.top_up = top_up

    def look(self, at: int) -> None:
        """Pay when there is little left; a few people take their time."""
        if self._story.company.paying != "prepaid" or at < self._story.joined + HOUR:
            return
        local = time_of(at).astimezone(ZoneInfo(self._story.tenant.time_zone)).hour
        is_awake = 7 <= local <= 21  # noqa: PLR2004 -- hours of the day
        careless = self._number % 5 == 3  # noqa: PLR2004 -- one in five runs dry before somebody pays
        enough, likely = (self.top_up // 400, 0.12) if careless else (self.top_up // 12, 0.6)
        if is_awake and self._diary.book.available(at) < enough and self._draw() < likely:
            self.grant(at, self.top_up, reference=f"PAY-{self._number:03d}-{len(self._grants) + 1:04d}")

    def grant(
        self, at: int, amount: int, *, kind: Any = "paid", source: Any = "top_up", expires: int | None = None,
        reference: str = "", reason: str = "",
    ) -> None:  # fmt: skip
        """Give credit."""
        event_id = EventId(self._diary.ids.at(at))
        grant = CreditGranted(
            grant_id=EntityId(event_id),
            kind=kind,
            source=source,
            amount_nanos=amount,
            priority=50 if kind == "paid" else 10,
            expires_at=time_of(expires).isoformat() if expires is not None else None,
            reference=reference,
            reason=reason,
        )
        self._grants[grant.grant_id] = amount
        actor = f"user:{self._world.operators[0].user_id}"
        self._diary.book.must(
            grant_command(self._diary.tenant_id, event_id, grant, grant, actor=actor, causation_id=event_id), at
        )
        if expires is not None:
            self._diary.put(expires + MINUTE, lambda due: self._lapse(due, grant.grant_id))

    def _lapse(self, at: int, grant_id: EntityId) -> None:
        event_id = EventId(self._diary.ids.at(at))
        command = self._diary.command(
            CreditLapsed(grant_id=grant_id), event_id, "system:expiry",
            pool_id=wallet(self._diary.tenant_id), legs=(Leg(grant_account(grant_id), op=Op.DRAIN),),
        )  # fmt: skip
        # Where all of it was spent there is nothing to lapse.
        self._diary.book.apply(command, at)

    def pay_invoice(self, at: int) -> None:
        """Pay what is owed."""
        owed = -self._diary.book.left_of(credit_line(self._diary.tenant_id))
        if owed > 0:
            self.grant(at, owed, reference=f"INV-{time_of(at):%Y-%m}-{self._number:03d}", reason="invoice paid")

    def adjust(self, at: int, amount: int) -> None:
        """Take credit back that was given by mistake."""
        event = CreditAdjusted(amount_nanos=amount, reason="credited by mistake", strict=False)
        actor = f"user:{self._world.operators[0].user_id}"
        command = self._diary.command(
            event,
            EventId(self._diary.ids.at(at)),
            actor,
            pool_id=wallet(self._diary.tenant_id),
            money_nanos=amount,
            strict=False,
        )
        self._diary.book.must(command, at)

    def redeemed(self, claim_id: EventId, claim: Any) -> Command:
        """Give the credit that a code was redeemed for."""
        grant = CreditGranted(
            grant_id=claim.grant_id,
            kind=claim.kind,
            source="redemption",
            amount_nanos=claim.amount_nanos,
            priority=claim.priority,
            expires_at=claim.expires_at,
            reference=claim_id,
        )
        event = CodeRedeemed(claim_id=claim_id, batch_id=claim.batch_id, user_id=claim.user_id, grant=grant)
        return grant_command(
            self._diary.tenant_id,
            derive_id(claim_id, "redeemed"),
            grant,
            event,
            actor=f"user:{claim.user_id}",
            causation_id=claim_id,
        )


def round_sum(nanos: float) -> int:
    """Give what a person would pay rather than an odd sum."""
    units = nanos / UNIT
    step = 1 if units < 20 else 10 if units < 200 else 50  # noqa: PLR2004 -- as people round
    return max(1, math.ceil(units / step)) * step * UNIT
