"""The wall clock, read in one place so that everything else can be given its time as an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """Give the present moment, in UTC."""
    return datetime.now(UTC)
