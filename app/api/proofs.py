"""/api/events/{id}/proof and /api/seals: what an auditor takes home."""

import base64
import datetime as dt
from collections.abc import Sequence

import msgspec
from litestar import Response, get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from adapters.postgres import seals
from adapters.seal_keys import to_pem
from app.api.call import NO_STORE, ThisCall, route
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.proofs import NotSealedError, read_proof
from domain.ids import TenantId
from domain.proof.proofs import EventProof


class SealKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A public key that seals were signed with."""

    key_id: str
    public_key: str
    """Ed25519, 32 bytes in base64, as proofs carry it."""
    pem: str
    """The same for `tallygate verify-proof --public-key` and other programs."""
    added_at: dt.datetime


class SealKeysView(msgspec.Struct, frozen=True, kw_only=True):
    """The public keys, the latest first."""

    keys: tuple[SealKeyView, ...]


class SealHeadView(msgspec.Struct, frozen=True, kw_only=True):
    """The latest seal: whoever keeps it can tell later that no history before it was changed."""

    number: int
    """0 before the first seal."""
    hash: str
    """In hexadecimal; what is signed, and what proofs name."""


@get(
    "/events/{event_id:str}/proof",
    **route(
        Permission.PROOF_READ,
        "getEventProof",
        "The proof that an event is in the sealed log: keep the answer's bytes as they are",
        404,
        409,
        within="entity",
    ),
)
async def read_event_proof(call: ThisCall, event_id: FromPath[str]) -> Response[EventProof]:
    principal = call.principal
    mine = [each for each in principal.tenant_ids if principal.may(Permission.PROOF_READ, each)]
    everywhere = principal.may(Permission.PROOF_READ)
    if not everywhere and not mine:
        raise ApiError("forbidden")
    try:
        proof = await read_proof(call.api.pool, event_id, None if everywhere else mine)
    except NotSealedError as error:
        raise ApiError("not_sealed", str(error), headers={"retry-after": "10"}) from error
    await call.looked_at(TenantId(proof.event.tenant_id))
    headers = {**NO_STORE, "content-disposition": f'attachment; filename="{proof.event.event_id}.proof.json"'}
    return Response(proof, headers=headers)


@get("/seals/key", **route(Permission.SELF, "getSealKeys", "The public keys that check proofs"))
async def read_seal_keys(call: ThisCall) -> SealKeysView:
    rows = await seals.read_public_keys(call.api.pool)
    return SealKeysView(
        keys=tuple(
            SealKeyView(
                key_id=row["key_id"],
                public_key=base64.b64encode(row["public_key"]).decode(),
                pem=to_pem(row["public_key"]),
                added_at=row["added_at"],
            )
            for row in rows
        )
    )


@get("/seals/head", **route(Permission.SELF, "getSealHead", "The latest seal"))
async def read_seal_head(call: ThisCall) -> SealHeadView:
    async with call.api.pool.acquire() as connection:
        tip = await seals.read_last_seal(connection)
    return SealHeadView(number=tip.number, hash=tip.hash.hex())


ROUTES: Sequence[BaseRouteHandler] = (read_event_proof, read_seal_keys, read_seal_head)
