"""`Idempotency-Key` on the model routes: the same key and body is charged once.

Answers are never stored, so a repeat cannot be given the first answer again: it is told what became of it. A request
that came to nothing frees its key.
"""

import hashlib
from typing import TYPE_CHECKING, Final

from app.relay.errors import ApiError
from domain.ids import HoldId, TenantId, derive_id

if TYPE_CHECKING:
    import asyncpg

SCOPE: Final = "relay"
KEY_CHARACTERS_MAX: Final = 255

_CLAIM: Final = """
    INSERT INTO admin.idempotency (key, scope, tenant_id, event_id, body_hash) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (key, scope, tenant_id) DO NOTHING RETURNING event_id
"""
_FIND: Final = """
    SELECT i.event_id, i.body_hash, h.hold_id IS NOT NULL AS is_open, e.type,
        i.created_at < now() - interval '1 minute' AS is_old
    FROM admin.idempotency AS i
    LEFT JOIN ledger.hold AS h ON h.hold_id = i.event_id AND h.tenant_id = i.tenant_id
    LEFT JOIN LATERAL (
        SELECT e.type FROM ledger.event AS e
        WHERE e.event_id = any ($4::uuid[]) AND e.tenant_id = $3
        ORDER BY e.position DESC LIMIT 1
    ) AS e ON true
    WHERE i.key = $1 AND i.scope = $2 AND i.tenant_id = $3
"""
_TAKE_OVER: Final = """
    UPDATE admin.idempotency SET event_id = $5, created_at = now()
    WHERE key = $1 AND scope = $2 AND tenant_id = $3 AND event_id = $4 RETURNING event_id
"""
_CAME_TO_NOTHING: Final = frozenset({"hold.voided.v1", "hold.expired.v1"})


class Repeats:
    """Claims keys for requests."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Take the database."""
        self._pool = pool

    async def claim(self, tenant_id: TenantId, key: bytes, body: bytes, hold_id: HoldId) -> None:
        """Let this request have the key, or raise ApiError.

        409 while the first request runs and once it was charged, 422 for another body.
        """
        try:
            name = key.decode("ascii")
        except UnicodeDecodeError:
            name = ""
        if not name or len(name) > KEY_CHARACTERS_MAX:
            raise ApiError(400, f"Idempotency-Key must be 1 to {KEY_CHARACTERS_MAX} ASCII characters.", may_retry=False)
        digest = hashlib.blake2b(body, digest_size=32).digest()
        place = (name, SCOPE, tenant_id)
        if await self._pool.fetchval(_CLAIM, *place, hold_id, digest) is not None:
            return
        first = await self._pool.fetchrow(
            "SELECT event_id FROM admin.idempotency WHERE key = $1 AND scope = $2 AND tenant_id = $3", *place
        )
        if first is None:
            raise _running()
        first_id = str(first["event_id"])
        row = await self._pool.fetchrow(_FIND, *place, [first_id, derive_id(first_id, "terminal")])
        if row is None or str(row["event_id"]) != first_id:
            raise _running()
        if row["body_hash"] != digest:
            raise ApiError(
                422,
                "This Idempotency-Key was used with another request. Use a new key for a new request.",
                code="idempotency_key_reused",
                may_retry=False,
            )
        # No hold and no event: refused before its hold, or on its way to it; a minute tells which.
        never_held = row["type"] is None and row["is_old"]
        if row["is_open"] or not (row["type"] in _CAME_TO_NOTHING or never_held):
            if row["type"] is None or row["is_open"]:
                raise _running()
            raise ApiError(
                409,
                f"The request with this Idempotency-Key was answered and charged already, as {first_id}. "
                "Answers are not stored; use a new key to ask again.",
                code="already_charged",
                may_retry=False,
            )
        if await self._pool.fetchval(_TAKE_OVER, *place, first_id, hold_id) is None:
            raise _running()

    async def release(self, tenant_id: TenantId, key: bytes, hold_id: HoldId) -> None:
        """Free the key of a request that was refused before anything was held for it."""
        await self._pool.execute(
            "DELETE FROM admin.idempotency WHERE key = $1 AND scope = $2 AND tenant_id = $3 AND event_id = $4",
            key.decode("ascii", "replace"),
            SCOPE,
            tenant_id,
            hold_id,
        )


def _running() -> ApiError:
    return ApiError(
        409,
        "The request with this Idempotency-Key is still running.",
        code="request_in_progress",
        retry_after_seconds=1.0,
    )
