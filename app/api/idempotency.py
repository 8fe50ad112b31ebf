"""Idempotency keys of movements of money: the same key and body give the same answer, and move money once.

What makes it once is the ledger, which knows the key's event id; the table only remembers which id a key stands for,
and what was answered. So a call that was cut off is finished by its repetition, and parallel ones all get the answer.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import msgspec
from litestar.params import HeaderParameter

from app.administration.source import come_from, source
from app.api.call import Call
from app.api.problems import ApiError
from domain.ids import EventId, TenantId

R = TypeVar("R", bound=msgspec.Struct)

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", description="1 to 255 characters, new for each intent."),
]

_KEY_MAX: Final = 255


_KEEP: Final = (
    "UPDATE admin.idempotency SET response = coalesce(response, $4)"
    " WHERE key = $3 AND scope = $2 AND tenant_id = $1 RETURNING response"
)
"""The first answer stays: whoever ran at the same time gets that one too."""


async def once(
    call: Call,
    key: str | None,
    place: tuple[str, TenantId],
    body: msgspec.Struct,
    *,
    answers: type[R],
    run: Callable[[EventId], Awaitable[R]],
) -> R:
    """Run a movement under the event id that the key stands for, or give what it answered before.

    `place` is the operation and the tenant that the key belongs to. Raises `idempotency_key_required`, and
    `idempotency_key_reused` for another body. A refusal is not kept: it has moved nothing, and may be decided otherwise
    next time.
    """
    if key is None or not 0 < len(key) <= _KEY_MAX or not key.isprintable():
        raise ApiError("idempotency_key_required")
    scope, tenant_id = place
    body_hash = hashlib.sha256(msgspec.json.encode(body)).digest()
    claim = await call.api.administration.store.claim(
        tenant_id, scope, key, call.api.ids(), body_hash, address=source()
    )
    if claim.body_hash != body_hash:
        raise ApiError("idempotency_key_reused")
    if claim.response is not None:
        return msgspec.json.decode(claim.response, type=answers)
    # The same event has to be written again, whence ever this try comes.
    come_from(claim.address)
    answer = await run(claim.event_id)
    kept = await call.api.pool.fetchval(_KEEP, tenant_id, scope, key, msgspec.json.encode(answer))
    # The housekeeper may have forgotten the key meanwhile.
    return msgspec.json.decode(kept, type=answers) if kept is not None else answer
