"""What the domain asks of the outside, where more than one part of the product asks it."""

from typing import Protocol

from domain.ledger.commands import Answer, Command


class LedgerUnavailableError(Exception):
    """The log cannot be reached: nothing is known to have happened, and the same command may be sent again."""


class Ledger(Protocol):
    """The one way to change anything: commands in, answers out, durable once answered."""

    async def submit(self, command: Command) -> Answer:
        """Apply a command, and wait for its commit.

        The caller may give up waiting: the command goes on. Raises LedgerUnavailableError if the log stays out of reach
        for longer than the command may wait; whether it was applied is then found by sending it again.
        """
        ...

    async def open_lane(self, tenant_id: int, lane: int) -> None:
        """Make the lane of a new tenant; doing it again does nothing."""
        ...
