"""What can go wrong between Tallygate and its database, worded for the operator."""


class PostgresError(Exception):
    """The embedded PostgreSQL cannot be started or kept running."""


class SchemaError(Exception):
    """The database is not one that this code can work with."""


class UnreachableError(SchemaError):
    """The database cannot be connected to."""
