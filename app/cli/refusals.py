"""The errors that end a command with one line and status 2: the operator can mend them, no programmer is needed."""

from adapters.file_lock import LockHeldError
from adapters.postgres.errors import PostgresError, SchemaError
from adapters.seal_keys import SealKeyError
from app.settings import SettingsError


class StartError(Exception):
    """A command cannot do its work as things are; the message says what to change."""


REFUSALS = (StartError, SettingsError, LockHeldError, PostgresError, SchemaError, SealKeyError)
