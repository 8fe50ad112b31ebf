"""/api/code-batches: redemption codes. The codes are in the answer to their making, and nowhere else."""

from collections.abc import Sequence
from typing import Annotated

from litestar import Request, Response, delete, get, patch, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, QueryParameter

from app.api.call import (
    NO_STORE,
    IfMatch,
    Limit,
    Resource,
    TenantNumber,
    ThisCall,
    Why,
    join,
    route,
    versioned,
)
from app.api.idempotency import IdempotencyKey, once
from app.api.listing import AfterPosition, ThisListing, position_of
from app.api.money import movement
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.codes import (
    BatchChange,
    BatchesChange,
    BatchesView,
    BatchState,
    BatchView,
    CreatedBatch,
    NewBatch,
    RedeemedView,
    Redemption,
    RedemptionView,
    batch_state,
)
from app.api.schemas.common import History, Listing
from app.api.schemas.money import MovementView
from app.reports.credit import RecordedRedemption, read_redeemed, read_redemptions
from app.wallets import BatchChangedError, UnknownCodeError, code_hash, new_code
from domain.admin.entities import CodeBatch
from domain.grants.events import GrantKind
from domain.ids import EntityId, EventId, TenantId
from domain.money import format_amount, parse_amount

BATCHES = Resource(
    "code_batch", state=batch_state, view=BatchView, read=Permission.CODE_READ, write=Permission.CODE_WRITE
)

_REDEEM_ATTEMPTS = 3
BatchIds = Annotated[
    str,
    QueryParameter(
        max_length=20_000, pattern="^[0-9A-Za-z,-]*$", description="Batches, between commas: those of a list."
    ),
]


@post(
    "/code-batches",
    **route(
        Permission.CODE_WRITE,
        "createCodes",
        "Make redemption codes; they are shown once, or as CSV",
        409,
        422,
        secrets=True,
    ),
)
async def create_codes(
    call: ThisCall, data: JSONBody[NewBatch], request: Request[object, object, State]
) -> Response[CreatedBatch]:
    codes = tuple(new_code() for _ in range(data.count))
    batch = CodeBatch(
        batch_id=EntityId(""),
        name=data.name,
        amount_nanos=_positive(data.amount),
        kind=data.kind,
        priority=data.priority,
        uses_per_code=data.uses_per_code,
        uses_per_tenant=data.uses_per_tenant,
        expires_at=data.expires_at.isoformat() if data.expires_at is not None else None,
        grant_days=data.grant_days,
        hashes=tuple(code_hash(code) for code in codes),
    )
    stored = await BATCHES.create(call, batch, data.reason)
    view = join(CreatedBatch, BATCHES.view(stored), codes=codes)
    if request.headers.get("accept", "").startswith("text/csv"):
        return _csv(view)
    return versioned(view, 201)


def _positive(amount: str) -> int:
    nanos = parse_amount(amount)
    if nanos <= 0:
        raise ApiError("amount_not_positive")
    return nanos


def _csv(view: CreatedBatch) -> Response[CreatedBatch]:
    # Neither codes nor amounts have a character that would have to be quoted.
    lines = ["code,amount,expires_at", *(f"{code},{view.amount},{view.expires_at or ''}" for code in view.codes)]
    response: Response[str] = Response(
        "\r\n".join(lines) + "\r\n",
        status_code=201,
        media_type="text/csv",
        headers={
            "cache-control": "no-store",
            "etag": f'"{view.version}"',
            "content-disposition": f'attachment; filename="codes-{view.id}.csv"',
        },
    )
    return response  # type: ignore[return-value]  # the other form of the same answer


@get("/code-batches", **route(Permission.CODE_READ, "listCodeBatches", "List batches of codes", 422))
async def list_batches(
    call: ThisCall,
    listing: ThisListing,
    *,
    kind: FromQuery[GrantKind | None] = None,
    revoked: FromQuery[bool | None] = None,
) -> Listing[BatchView]:
    return await BATCHES.list(call, listing, filters={"kind": kind, "revoked": revoked})


@get(
    "/code-batches/redeemed",
    **route(Permission.CODE_READ, "listRedeemed", "How much of each of these batches was redeemed so far", 422),
)
async def list_redeemed(call: ThisCall, batch_ids: BatchIds) -> Listing[RedeemedView]:
    wanted = list(dict.fromkeys(part.strip() for part in batch_ids.split(",") if part.strip()))
    items = (
        RedeemedView(
            batch_id=each.batch_id,
            uses=each.uses,
            amount=format_amount(each.amount_nanos),
            tenants=each.tenants,
            last_at=each.last_at,
        )
        for each in await read_redeemed(call.api.pool, wanted)
    )
    return Listing(items=tuple(items), next=None)


@get("/code-batches/{batch_id:str}", **route(Permission.CODE_READ, "getCodeBatch", "Read a batch of codes", 404))
async def read_batch(call: ThisCall, batch_id: FromPath[str]) -> Response[BatchView]:
    return await BATCHES.read(call, batch_id)


@patch(
    "/code-batches/{batch_id:str}",
    **route(Permission.CODE_WRITE, "changeCodeBatch", "Rename or revoke a batch", 404, 409, 412, 422, 428),
)
async def change_batch(
    call: ThisCall, batch_id: FromPath[str], data: JSONBody[BatchChange], if_match: IfMatch = None
) -> Response[BatchView]:
    return await BATCHES.change(call, batch_id, if_match, data)


@patch(
    "/code-batches",
    **route(
        Permission.CODE_WRITE, "changeCodeBatches", "Rename or revoke several batches, all or none", 404, 409, 412, 422
    ),
)
async def change_batches(call: ThisCall, data: JSONBody[BatchesChange]) -> BatchesView:
    permissions = [Permission.CODE_WRITE] * len(data.items)
    return BatchesView(items=await BATCHES.change_many(call, data.items, data.reason, permissions))


@delete(
    "/code-batches/{batch_id:str}",
    status_code=200,
    **route(Permission.CODE_WRITE, "archiveCodeBatch", "Take a batch out of use for good", 404, 409, 412, 428),
)
async def archive_batch(
    call: ThisCall, batch_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[BatchView]:
    return await BATCHES.archive(call, batch_id, if_match, reason)


@get(
    "/code-batches/{batch_id:str}/history",
    **route(Permission.CODE_READ, "getCodeBatchHistory", "Who changed a batch, and how", 404),
)
async def batch_history(call: ThisCall, batch_id: FromPath[str], limit: Limit = 50) -> History[BatchState]:
    return await BATCHES.history(call, batch_id, limit)


@get(
    "/code-batches/{batch_id:str}/redemptions",
    **route(Permission.CODE_READ, "listRedemptions", "Who redeemed a batch's codes, as JSON or CSV", 404, 422),
)
async def list_redemptions(
    call: ThisCall,
    batch_id: FromPath[str],
    request: Request[object, object, State],
    *,
    after: AfterPosition = None,
    limit: Limit = 50,
    tenant_id: TenantNumber = None,
) -> Response[Listing[RedemptionView]]:
    await BATCHES.find(call, batch_id)
    tenant = TenantId(tenant_id) if tenant_id is not None else None
    found = await read_redemptions(
        call.api.pool, batch_id, tenant_id=tenant, before=position_of(after), limit=limit + 1
    )
    items = tuple(_redemption(each) for each in found[:limit])
    if request.headers.get("accept", "").startswith("text/csv"):
        return _redemptions_csv(batch_id, items)
    following = str(found[limit - 1].position) if len(found) > limit else None
    return Response(Listing(items=items, next=following), headers=dict(NO_STORE))


def _redemption(use: RecordedRedemption) -> RedemptionView:
    return RedemptionView(
        position=use.position,
        batch_id=use.batch_id,
        code_sha256=use.code_hash,
        tenant_id=use.redeemed_for,
        user_id=use.user_id,
        grant_id=use.grant_id,
        amount=format_amount(use.amount_nanos),
        at=use.redeemed_at,
    )


def _redemptions_csv(batch_id: str, items: Sequence[RedemptionView]) -> Response[Listing[RedemptionView]]:
    # No value has a character that would have to be quoted.
    rows = ((f"{i.at:%Y-%m-%dT%H:%M:%SZ}", i.tenant_id, i.user_id, i.amount, i.code_sha256, i.grant_id) for i in items)
    lines = ["at,tenant_id,user_id,amount,code_sha256,grant_id", *(",".join(map(str, row)) for row in rows)]
    response: Response[str] = Response(
        "\r\n".join(lines) + "\r\n",
        media_type="text/csv",
        headers={**NO_STORE, "content-disposition": f'attachment; filename="redemptions-{batch_id}.csv"'},
    )
    return response  # type: ignore[return-value]  # the other form of the same answer


@post(
    "/tenants/{tenant_id:int}/redeem",
    status_code=200,
    **route(Permission.CODE_REDEEM, "redeemCode", "Turn a redemption code into credit", 404, 409, 422, within="tenant"),
)
async def redeem(
    call: ThisCall,
    tenant_id: Annotated[int, PathParameter(ge=1, le=2**53 - 1)],
    data: JSONBody[Redemption],
    idempotency_key: IdempotencyKey = None,
) -> MovementView:
    user_id = call.principal.user.user_id
    call.api.codes.check(user_id)

    async def run(claim_id: EventId) -> MovementView:
        for attempt in range(1, _REDEEM_ATTEMPTS + 1):
            found = await call.api.administration.find("code_batch", code_hash(data.code))
            if found is None:
                raise UnknownCodeError("There is no such redemption code: check it for a typing error.")
            try:
                moved = await call.api.wallets.redeem(
                    tenant_id=TenantId(tenant_id),
                    claim_id=claim_id,
                    code=data.code,
                    batch=found.entity,
                    batch_version=found.version,
                    archived=found.archived,
                    user_id=user_id,
                    now=call.api.clock(),
                )
            except BatchChangedError:
                if attempt == _REDEEM_ATTEMPTS:
                    raise
            else:
                return movement(moved)
        raise AssertionError("the last attempt returns or raises")

    try:
        answer = await once(call, idempotency_key, ("redeem", TenantId(tenant_id)), data, answers=MovementView, run=run)
    except UnknownCodeError:
        # Guessing must not pay, though 100 random bits hardly can be guessed.
        call.api.codes.fail(user_id)
        raise
    call.api.codes.forget(user_id)
    return answer


ROUTES: Sequence[BaseRouteHandler] = (
    BATCHES.restoring("/code-batches", "Code batch"),
    create_codes,
    list_batches,
    list_redeemed,
    read_batch,
    change_batch,
    change_batches,
    archive_batch,
    batch_history,
    list_redemptions,
    redeem,
)
