"""What can go wrong between Tallygate and its database, worded for the operator."""

from typing import Final

import asyncpg

AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # none of several hosts is the primary, while a standby takes over
)
"""What those who ask a database meet while it is away, comes back, or is another one: worth trying again."""


class PostgresError(Exception):
    """The embedded PostgreSQL cannot be started or kept running."""


class SchemaError(Exception):
    """The database is not one that this code can work with."""


class UnreachableError(SchemaError):
    """The database cannot be connected to."""
