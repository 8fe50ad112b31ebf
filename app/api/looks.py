"""Looks of the operator's people at a tenant's data: each is an event in the tenant's log, before it is answered."""

import datetime as dt
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from app.administration import Administration
from app.api.permissions import Principal
from domain.admin.errors import NotFoundError
from domain.admin.events import TenantLooked
from domain.ids import PLATFORM, EntityId, TenantId

EVERY: Final = dt.timedelta(minutes=15)
"""The same look of the same person within a quarter of an hour is one event."""
_KEPT_MAX: Final = 10_000
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Looks:
    """Records looks, each once in a quarter of an hour, over all nodes together."""

    def __init__(self, administration: Administration, clock: Callable[[], dt.datetime]) -> None:
        """Take where events go, and a clock."""
        self._administration = administration
        self._clock = clock
        self._done: OrderedDict[str, None] = OrderedDict()

    async def note(self, principal: Principal, tenant_id: TenantId, operation: str) -> None:
        """Record that somebody looks at a tenant's data, unless the tenant is theirs.

        Raises what keeps the event from being written: what is not recorded is not shown.
        """
        user = principal.user
        if user.platform_role is None or tenant_id == PLATFORM or tenant_id in principal.tenant_ids:
            return
        event_id = look_id(user.user_id, tenant_id, operation, self._clock())
        if event_id in self._done:
            return
        look = TenantLooked(
            tenant_id=tenant_id,
            user_id=user.user_id,
            login=user.login,
            role=user.platform_role,
            operation=operation,
        )
        try:
            await self._administration.record_look(look, actor=principal.actor, event_id=event_id)
        except NotFoundError:
            # There is nothing to look at, which is for the route to say.
            return
        self._done[event_id] = None
        while len(self._done) > _KEPT_MAX:
            self._done.popitem(last=False)


def look_id(user_id: EntityId, tenant_id: TenantId, operation: str, at: dt.datetime) -> str:
    """Give the one id of a look in its quarter of an hour, the same on every node: a UUIDv7 of when that began."""
    milliseconds = (at - _EPOCH) // EVERY * (EVERY // dt.timedelta(milliseconds=1))
    digest = hashlib.blake2b(f"look\x00{user_id}\x00{tenant_id}\x00{operation}".encode(), digest_size=10).hexdigest()
    time = f"{milliseconds:012x}"
    return f"{time[:8]}-{time[8:]}-7{digest[:3]}-8{digest[4:7]}-{digest[7:19]}"
