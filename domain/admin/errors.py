"""Why an administrative change is refused.

TallygateError
`-- AdminError
    |-- NotFoundError             nothing of this kind has that id
    |-- VersionConflictError      somebody else changed it in between
    |-- NameTakenError            a login, label or name that is in use
    |-- ArchivedError             archived things never change
    |-- NotArchivedError          what is in use cannot be restored
    |-- InvalidEntityError        a field that cannot be right; names it
    |   `-- MappingLoopError      model names that lead back to themselves
    |-- LastRootError             nobody would be left who can do everything
    |-- InUseError                others still refer to it
    |-- PasswordRefusedError      too short, or the old one
    |-- BulkRefusedError          some of several, so none of them
    `-- IdempotencyConflictError  the same id with another body
"""

from typing import ClassVar

from domain.errors import TallygateError


class AdminError(TallygateError):
    """An administrative change that is refused."""

    code: ClassVar[str] = "admin_error"


class NotFoundError(AdminError):
    """Nothing of this kind has that id."""

    code: ClassVar[str] = "not_found"

    def __init__(self, kind: str, entity_id: str) -> None:
        """Say what was looked for."""
        super().__init__(f"There is no {words(kind)} {entity_id!r}.")
        self.kind = kind
        self.entity_id = entity_id


class VersionConflictError(AdminError):
    """The thing changed after it was read: read it again, and decide again."""

    code: ClassVar[str] = "version_conflict"

    def __init__(self, kind: str, entity_id: str, version: int) -> None:
        """Name the version that the change was made from."""
        super().__init__(f"The {words(kind)} {entity_id} is no longer at version {version}: somebody changed it.")
        self.version = version


class NameTakenError(AdminError):
    """Another thing has the name."""

    code: ClassVar[str] = "name_taken"

    def __init__(self, kind: str, name: str) -> None:
        """Say which name of which kind."""
        super().__init__(f"The {words(kind)} {name!r} exists already.")
        self.kind = kind
        self.name = name


class ArchivedError(AdminError):
    """Archived things never change."""

    code: ClassVar[str] = "archived"

    def __init__(self, kind: str, entity_id: str) -> None:
        """Say what was to be changed."""
        super().__init__(f"The {words(kind)} {entity_id} is archived, and archived things never change.")


class NotArchivedError(AdminError):
    """What is in use cannot be put into use again, and some things never can."""

    code: ClassVar[str] = "not_archived"


class InvalidEntityError(AdminError):
    """A field that cannot be right."""

    code: ClassVar[str] = "invalid"

    def __init__(self, field: str, message: str) -> None:
        """Name the field; the message is a sentence for whoever filled it in."""
        super().__init__(message)
        self.field = field


class MappingLoopError(InvalidEntityError):
    """Model names that lead back to themselves."""

    code: ClassVar[str] = "mapping_loop"


class LastRootError(AdminError):
    """Nobody would be left who can do everything."""

    code: ClassVar[str] = "last_root"

    def __init__(self) -> None:
        """Say what to do instead."""
        super().__init__("This is the last enabled user with the role root: give the role to somebody else first.")


class InUseError(AdminError):
    """Others still refer to it."""

    code: ClassVar[str] = "in_use"


class PasswordRefusedError(AdminError):
    """A password that is too short or too long."""

    code: ClassVar[str] = "password_refused"


class BulkRefusedError(AdminError):
    """Some of several changes are refused, so none of them was made."""

    code: ClassVar[str] = "bulk_refused"

    def __init__(self, refusals: dict[int, TallygateError]) -> None:
        """Take the refusals by the number of what each is about, from 0."""
        super().__init__(f"{len(refusals)} of the items cannot be done, so none was: see `items`.")
        self.refusals = refusals


class IdempotencyConflictError(AdminError):
    """The same id was used for another change."""

    code: ClassVar[str] = "idempotency_conflict"

    def __init__(self) -> None:
        """Say what happened."""
        super().__init__("The same idempotency key was used for a different change.")


def words(kind: str) -> str:
    """Give a kind in words for people: `rate_card` is a "rate card"."""
    return kind.replace("_", " ")
