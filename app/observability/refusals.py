"""The relay's refusals, counted as they happen: the log hears of them some seconds later, and not while it is away."""

from collections.abc import Callable

from app.relay.errors import ApiError
from app.relay.refusals import Refusals
from domain.ids import EntityId, TenantId


class CountedRefusals(Refusals):
    """Counts each refusal by its code, too."""

    counted: Callable[[str], None] | None = None

    def add(self, tenant_id: TenantId | None, token_id: EntityId | None, error: ApiError, model: str = "") -> None:
        """Count one refusal."""
        if self.counted is not None:
            self.counted(error.code or error.type)
        super().add(tenant_id, token_id, error, model)
