"""One attempt's side of a request: what it may break off, send and settle, whatever the other attempts do."""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.relay.wire import Exchange
from domain.ledger.commands import Answer, Command
from domain.metering.usage import TokenUsage
from domain.money import format_amount
from domain.relay.vendor_errors import VendorError

if TYPE_CHECKING:
    from app.relay.failover import Failover
    from app.relay.progress import Progress
    from app.relay.service import Relay, Run
    from domain.admission import Route
    from domain.relay.dialect import ClientSurface
    from domain.relay.ports import VendorReply
    from domain.routing.keys import Key

_T = TypeVar("_T")

CHARGE_MARK: Final = b"\x00charge\x00"
"""Stands in a kept stream for what it charged."""
_BALANCE: Final = b"x-tallygate-balance"


class Line:
    """What an attempt works with. Of the lines of a request one alone may answer: the first to `claim`."""

    __slots__ = (
        "_kept",
        "_waiting",
        "broke_off",
        "canonical",
        "exchange",
        "failover",
        "has_lost",
        "is_claimed",
        "key",
        "progress",
        "relay",
        "reply",
        "route",
        "run",
        "surface",
    )

    def __init__(self, failover: "Failover", route: "Route", key: "Key", progress: "Progress") -> None:
        """Take the request's attempts, the route of this one, and the key that it uses."""
        run = failover.run
        self.failover = failover
        self.run: Run = run
        self.relay: Relay = run.relay
        self.exchange: Exchange = run.exchange
        self.surface: ClientSurface = run.surface
        self.canonical = run.canonical
        self.route = route
        self.key = key
        self.progress = progress
        self.reply: VendorReply | None = None
        self.has_lost = False
        """Whether another attempt was first, or has made this one pointless."""
        self.broke_off = False
        """Whether it was us who hung up: that says nothing about the vendor."""
        self.is_claimed = False
        self._waiting: asyncio.Task[Any] | None = None
        """Who waits for a step towards the vendor, and may be told to stop waiting."""
        self._kept: list[bytes] | None = [] if run.keep_key is not None else None

    @property
    def interrupted(self) -> bool:
        """Whether this process ends."""
        return self.run.interrupted

    @property
    def is_aborted(self) -> bool:
        """Whether we ourselves have broken off the vendor's answer."""
        return self.has_lost or self.run.is_aborted

    def claim(self) -> None:
        """Be the one that answers, from here on alone; VendorError if another attempt is."""
        if self.is_claimed:
            return
        if self.has_lost:
            raise VendorError("connect", vendor_code="broken_off")
        self.is_claimed = True
        self.failover.claimed(self)

    async def settle(self, command: Command) -> Answer | None:
        """End the hold; VendorError if it is another attempt's to end."""
        self.claim()
        return await self.relay.settlements.settle(command)

    def checkpoint(self, command: Command) -> None:
        """Keep the terminal that the request would have if this process died now."""
        if self.is_claimed:
            self.relay.settlements.checkpoint(command)

    async def breakable(self, step: Awaitable[_T]) -> _T:
        """Wait for a step towards the vendor; VendorError, too, when we break off meanwhile."""
        if self.is_aborted:
            if asyncio.iscoroutine(step):
                step.close()
            raise VendorError("connect", vendor_code="broken_off")
        # The step runs in this very task: one of its own would cost each request as much as its pricing.
        task = self._waiting = asyncio.current_task()
        assert task is not None
        try:
            return await step
        except asyncio.CancelledError:
            if self._waiting is not None or task.uncancel():
                # Not our doing, or not ours alone.
                raise
            raise VendorError("connect", vendor_code="broken_off") from None
        finally:
            self._waiting = None

    async def break_off(self) -> None:
        """Hang up on the vendor, whether it answers already or not."""
        self.broke_off = True
        if self.reply is not None:
            await self.reply.close()
        elif self._waiting is not None:
            # It is inside the step, so that is where the cancellation arrives.
            task, self._waiting = self._waiting, None
            task.cancel()

    # ---- Answers that are given again

    def sent(self, data: bytes) -> None:
        """Note a piece of a stream that may be kept."""
        if self._kept is not None:
            self._kept.append(data)

    def keep_stream(self, tail: bytes, charged: bytes, *, media_type: str, usage: TokenUsage) -> None:
        """Keep a stream that came to its end."""
        if self._kept is not None:
            body = b"".join([*self._kept, tail.replace(charged, CHARGE_MARK)])
            self.run.keep(body, media_type=media_type, usage=usage, route=self.route)

    def keep(self, body: bytes, *, media_type: str, usage: TokenUsage) -> None:
        """Keep a whole answer."""
        if self._kept is not None:
            self.run.keep(body, media_type=media_type, usage=usage, route=self.route)


def charge_headers(exchange: Exchange, charged: int, answer: Answer | None) -> list[tuple[bytes, bytes]]:
    """Tell the client what was charged, and what is left; None where PostgreSQL has not said."""
    headers = [(b"x-tallygate-charge", format_amount(charged).encode())]
    if answer is not None:
        exchange.extra[:] = [header for header in exchange.extra if header[0] != _BALANCE]
        headers.append((_BALANCE, format_amount(answer.balance_nanos).encode()))
    return headers


def charge_words(charged: int, answer: Answer | None) -> bytes:
    """Tell the same in a stream, where it has room for comments."""
    words = f"tallygate charge={format_amount(charged)}"
    if answer is not None:
        words += f" balance={format_amount(answer.balance_nanos)}"
    return words.encode()
