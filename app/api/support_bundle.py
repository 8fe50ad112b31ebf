"""/api/system/support-bundle: everything that helps whoever is asked for help, and no secret."""

import asyncio
import datetime as dt
import os
import platform
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.handlers import BaseRouteHandler

from adapters.postgres.row_security import owner_of
from app.api.call import NO_STORE, ThisCall, route
from app.api.ledger_health import LedgerHealthView, health_of
from app.api.licenses import LicenseView, installed
from app.api.permissions import Permission
from app.api.system import SystemView, system_of
from app.settings import SETTINGS
from app.version import VERSION
from domain.admin.settings import SETTINGS as STORED_SETTINGS
from domain.ids import PLATFORM


class SupportBundle(msgspec.Struct, frozen=True, kw_only=True):
    """What helps whoever is asked for help: no key, no password, no address, no name of a customer."""

    at: dt.datetime
    version: str
    python: str
    platform: str
    environment: dict[str, str]
    """Which settings are set, and those that are no secret with their values."""
    settings: dict[str, Any]
    """The stored settings that are not at their defaults, but for texts that people wrote."""
    things: dict[str, int]
    """How many things there are of each kind."""
    channels: dict[str, int]
    """How many channels of each type."""
    system: SystemView
    ledger: LedgerHealthView
    licenses: tuple[LicenseView, ...]


_COUNTS: Final = """
SELECT kind, count(*) AS things FROM admin.entity
WHERE generation = (SELECT generation FROM projection.generation WHERE name = 'entities' AND state = 'live')
    AND NOT archived GROUP BY kind
"""
_PLAIN: Final = frozenset({"integer", "boolean", "choice", "currency", "color"})


@get(
    "/system/support-bundle",
    **route(Permission.SYSTEM_READ, "getSupportBundle", "Everything that helps to find a fault, and no secret"),
)
async def support_bundle(call: ThisCall) -> Response[SupportBundle]:
    health = await health_of(call)
    stored = await call.api.administration.store.all("setting", PLATFORM)
    channels: dict[str, int] = {}
    for each in await call.api.administration.store.all("channel", PLATFORM):
        channels[each.entity.type] = channels.get(each.entity.type, 0) + 1
    rows = await owner_of(call.api.pool).fetch(_COUNTS)
    bundle = SupportBundle(
        at=call.api.clock(),
        version=VERSION,
        python=platform.python_version(),
        platform=platform.platform(),
        environment=_environment(),
        settings={each.entity.name: _setting(each.entity.name, each.entity.value) for each in stored},
        things={row["kind"]: row["things"] for row in rows},
        channels=channels,
        system=await system_of(call),
        ledger=health,
        licenses=(await asyncio.to_thread(installed)).items,
    )
    name = f"tallygate-support-{bundle.at:%Y%m%dT%H%M%SZ}.json"
    headers = {**NO_STORE, "content-disposition": f'attachment; filename="{name}"'}
    return Response(bundle, headers=headers)


_ENVIRONMENT: Final = frozenset(
    {
        "row_security", "workers", "log_level", "drain_seconds", "body_max_bytes", "connect_timeout_seconds",
        "first_byte_timeout_seconds", "idle_timeout_seconds", "hold_timeout_seconds", "journal_max_bytes",
        "requests_max", "queue_max", "queue_seconds", "cache_max_bytes", "access_log", "traces", "trace_context",
        "shared_buffers_mebibytes", "wal_kept_mebibytes", "console",
    }
)  # fmt: skip
"""Settings of the start whose values name no place and no person."""


def _environment() -> dict[str, str]:
    return {
        setting.variable: text if setting.field in _ENVIRONMENT else "(set)"
        for setting in SETTINGS
        if (text := os.environ.get(setting.variable))
    }


def _setting(name: str, value: Any) -> Any:
    known = STORED_SETTINGS.get(name)
    return value if known is not None and known.type in _PLAIN else "(set)"


ROUTES: Sequence[BaseRouteHandler] = (support_bundle,)
