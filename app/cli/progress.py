"""How far a command is, as lines for whoever follows it: JSON on the error stream, a few times a second."""

import os
import time
from typing import Final

import click
import msgspec

EVERY_SECONDS: Final = 0.3
NICENESS: Final = 10
"""What is followed by a program runs beside a server, whose requests go first."""


class Teller:
    """Tells how far it is, but not at every step."""

    def __init__(self) -> None:
        """Step back behind everything else on this machine."""
        os.nice(NICENESS)
        self._part = ""
        self._next = 0.0

    def tell(self, part: str, done: int, total: int) -> None:
        """Write a line, if the last one was long enough ago, or of another part."""
        now = time.monotonic()
        if part == self._part and now < self._next and done < total:
            return
        self._part, self._next = part, now + EVERY_SECONDS
        click.echo(msgspec.json.encode({"part": part, "done": done, "total": total}).decode(), err=True)
