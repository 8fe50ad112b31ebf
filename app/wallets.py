"""Money in and out of wallets by people: grants, adjustments, redemption codes.

Each is one command of the ledger under an id that the caller keeps, so that sending it again does nothing twice. Only
a redemption is two, in two lanes: a use of the code is claimed on the platform, then becomes a grant of the tenant
under an id derived from the claim. What stops between the two is finished by whoever asks next.
"""

import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from app.administration.source import with_source
from domain.accounts import (
    code_account,
    code_tenant_account,
    grant_account,
    token_account,
    user_account,
    version_account,
    wallet,
)
from domain.admin.entities import CodeBatch
from domain.errors import TallygateError
from domain.events import decode, encode, type_name
from domain.grants.events import CodeClaimed, CodeRedeemed, CreditAdjusted, CreditGranted, GrantKind, Source
from domain.holds.events import HoldAuthorized
from domain.ids import PLATFORM, EntityId, EventId, TenantId, day_of, derive_id, first_lane
from domain.ledger.commands import Answer, Code, Command, Kind, Leg, Op, Opening, Unit
from domain.money import check_nanos
from domain.ports import Ledger

if TYPE_CHECKING:
    import asyncpg

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: nothing in it is mistaken for something else when read aloud or typed."""
_CODE_SYMBOLS: Final = 20
_CODE: Final = re.compile(f"[{_ALPHABET}]{{{_CODE_SYMBOLS}}}")
OPEN_HOLDS_SHOWN: Final = 100


class WalletError(TallygateError):
    """A movement of money that is refused."""

    code: ClassVar[str] = "conflict"

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        """Say why; the ledger's answer is kept for whoever wants to look."""
        super().__init__(message)
        self.answer = answer


class UnknownWalletError(WalletError):
    """There is no tenant of this number, so no wallet."""

    code: ClassVar[str] = "not_found"


class AmountNotPositiveError(WalletError):
    """Nothing, or less than nothing, cannot be moved."""

    code: ClassVar[str] = "amount_not_positive"


class ExpiryInPastError(WalletError):
    """Credit that would have expired before it came."""

    code: ClassVar[str] = "expiry_in_past"


class InsufficientCreditError(WalletError):
    """The wallet does not cover what is to be taken back."""

    code: ClassVar[str] = "insufficient_credit"


class IdReusedError(WalletError):
    """The id belongs to another movement."""

    code: ClassVar[str] = "idempotency_key_reused"


class IdTooOldError(WalletError):
    """The id was made too long ago, and nothing has happened under it."""

    code: ClassVar[str] = "idempotency_key_expired"


class UnknownCodeError(WalletError):
    """No redemption code reads like this."""

    code: ClassVar[str] = "code_unknown"


class CodeUsedUpError(WalletError):
    """The code has no uses left."""

    code: ClassVar[str] = "code_used_up"


class CodeUsedByTenantError(WalletError):
    """This tenant has used the code as often as it may."""

    code: ClassVar[str] = "code_used_by_tenant"


class CodeExpiredError(WalletError):
    """The code has passed its last day."""

    code: ClassVar[str] = "code_expired"


class CodeRevokedError(WalletError):
    """The operator has withdrawn the code."""

    code: ClassVar[str] = "code_revoked"


class BatchChangedError(WalletError):
    """The code's batch changed after it was read: read it again, and decide again."""

    code: ClassVar[str] = "conflict"


class GrantTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What credit is given, and on what terms."""

    amount_nanos: int
    kind: GrantKind = "paid"
    source: Source = "top_up"
    priority: int = 50
    """0 burns first, 100 last."""
    expires_at: dt.datetime | None = None
    reference: str = ""
    reason: str = ""


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """What a movement of money did."""

    event_id: EventId
    amount_nanos: int
    """Above zero for credit given, below for credit taken back."""
    balance_nanos: int
    """What the wallet can spend at once afterwards: posted minus held."""
    grant_id: EntityId | None = None
    expires_at: str | None = None


class GrantBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a grant."""

    grant_id: EntityId
    kind: str
    remaining_nanos: int
    held_nanos: int
    priority: int
    expires_at: dt.datetime | None
    opened_at: dt.datetime


class OpenHold(msgspec.Struct, frozen=True, kw_only=True):
    """Credit set aside for a request that is under way."""

    request_id: str
    held_nanos: int
    expires_at: dt.datetime
    token_id: EntityId | None
    user_id: EntityId | None
    model: str


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """What a token or a member has spent in all."""

    id: EntityId
    spent_nanos: int
    held_nanos: int


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """All of a wallet, as the ledger has it now."""

    balance_nanos: int
    """Credit that is there and has not expired, what is owed subtracted."""
    held_nanos: int
    owed_nanos: int
    credit_limit_nanos: int
    available_nanos: int
    """What a new request can hold: balance minus held, plus what may still be owed."""
    grants: tuple[GrantBalance, ...]
    holds: tuple[OpenHold, ...]
    """The oldest hundred."""
    holds_open: int


class Wallets:
    """The movements of money that people ask for."""

    def __init__(self, ledger: Ledger, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Take the log's write side, and connections to read its accounts by."""
        self._ledger = ledger
        self._pool = pool

    async def grant(
        self, *, tenant_id: TenantId, event_id: EventId, terms: GrantTerms, actor: str, now: dt.datetime
    ) -> Movement:
        """Give credit; what the wallet's credit line owes is repaid from it first. The grant's id is the event's.

        Raises AmountNotPositiveError, ExpiryInPastError, UnknownWalletError, IdReusedError, IdTooOldError.
        """
        _positive(terms.amount_nanos)
        if terms.expires_at is not None and terms.expires_at <= now:
            raise ExpiryInPastError("The credit would have expired before it was given: choose a later expiry.")
        event = with_source(
            CreditGranted(
                grant_id=EntityId(event_id),
                kind=terms.kind,
                source=terms.source,
                amount_nanos=terms.amount_nanos,
                priority=terms.priority,
                expires_at=terms.expires_at.isoformat() if terms.expires_at is not None else None,
                reference=terms.reference,
                reason=terms.reason,
            )
        )
        command = grant_command(tenant_id, event_id, event, event, actor=actor, causation_id=event_id)
        return await self._moved(command, terms.amount_nanos, event)

    async def adjust(
        self,
        *,
        tenant_id: TenantId,
        event_id: EventId,
        amount_nanos: int,
        strict: bool,
        actor: str,
        reason: str,
        reference: str = "",
    ) -> Movement:
        """Take credit back, in burn order; without `strict` what the wallet lacks becomes a debt.

        Raises InsufficientCreditError besides what `grant` raises.
        """
        _positive(amount_nanos)
        event = with_source(
            CreditAdjusted(amount_nanos=amount_nanos, reason=reason, reference=reference, strict=strict)
        )
        command = Command(
            tenant_id=tenant_id,
            lane=first_lane(tenant_id),
            kind=Kind.POST,
            event_id=event_id,
            type=type_name(event),
            data=encode(event),
            actor=actor,
            correlation_id=event_id,
            causation_id=event_id,
            pool_id=wallet(tenant_id),
            strict=strict,
            money_nanos=amount_nanos,
        )
        return await self._moved(command, -amount_nanos)

    async def redeem(
        self,
        *,
        tenant_id: TenantId,
        claim_id: EventId,
        code: str,
        batch: CodeBatch,
        batch_version: int,
        archived: bool,
        user_id: EntityId,
        now: dt.datetime,
    ) -> Movement:
        """Turn one use of a code into a grant. The ledger decides who gets the last use, and if the batch still stands.

        Raises CodeRevokedError, CodeExpiredError, CodeUsedUpError, CodeUsedByTenantError, IdReusedError, IdTooOldError.
        """
        stored = await self._claim_of(claim_id)
        claim = stored or with_source(
            claim_of(batch, code_hash(code), tenant_id=tenant_id, claim_id=claim_id, user_id=user_id, now=now)
        )
        if stored is None:
            _redeemable(batch, now, archived=archived)
            answer = await self._ledger.submit(claim_command(claim, claim_id, batch, batch_version))
            if not answer.accepted:
                raise _claim_refusal(answer)
        elif stored.tenant_id != tenant_id or stored.code_hash != code_hash(code):
            raise IdReusedError("The same id was used to redeem something else.")
        return await self._finish(claim, claim_id)

    async def finish_claims(self, since: dt.datetime) -> int:
        """Give the credit of claims that were interrupted half-way; give how many there were.

        For the start and the housekeeper: reads the platform's claims recorded since a moment.
        """
        rows = await self._pool.fetch(
            "SELECT event_id::text, data FROM ledger.event WHERE tenant_id = $1 AND lane = $2 AND day >= $3::date"
            " AND type = 'code.claimed.v1' AND recorded_at >= $4 ORDER BY position",
            PLATFORM,
            first_lane(PLATFORM),
            since.date() - dt.timedelta(days=1),
            since,
        )
        finished = 0
        for row in rows:
            claim = decode("code.claimed.v1", row["data"])
            done = await self._event_exists(TenantId(claim.tenant_id), derive_id(row["event_id"], "redeemed"))
            if not done:
                await self._finish(claim, row["event_id"])
                finished += 1
        return finished

    async def balance(self, tenant_id: TenantId, now: dt.datetime) -> Balance:
        """Give the wallet as the ledger has it; raises UnknownWalletError."""
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            members = await connection.fetch(
                "SELECT name, posted, held, expires_at, opened_at, priority, credit_line, pool_floor, open,"
                " expires_at > $4 AS is_live"
                " FROM ledger.account WHERE pool_id = $1 AND tenant_id = $2 AND lane = $3 AND NOT spent"
                " ORDER BY credit_line, priority, expires_at, opened_at, account_id",
                wallet(tenant_id),
                tenant_id,
                first_lane(tenant_id),
                now,
            )
            holds = await connection.fetch(_HOLDS, tenant_id, wallet(tenant_id), OPEN_HOLDS_SHOWN)
        lines = [row for row in members if row["credit_line"]]
        if not lines:
            raise UnknownWalletError(f"There is no tenant {tenant_id}.")
        live = [row for row in members if row["is_live"]]
        owed = sum(max(0, -row["posted"]) for row in lines)
        limit = sum(-row["pool_floor"] for row in lines)
        balance = sum(row["posted"] for row in live)
        held = sum(row["held"] for row in live)
        return Balance(
            balance_nanos=balance,
            held_nanos=held,
            owed_nanos=owed,
            credit_limit_nanos=limit,
            available_nanos=balance - held + limit,
            grants=tuple(_grant_balance(row) for row in members if not row["credit_line"]),
            holds=tuple(_open_hold(row) for row in holds),
            holds_open=holds[0]["holds_open"] if holds else 0,
        )

    async def spend(
        self, tenant_id: TenantId, *, tokens: Sequence[EntityId], users: Sequence[EntityId]
    ) -> tuple[tuple[Spend, ...], tuple[Spend, ...]]:
        """Give what tokens and members of a tenant have spent in all."""
        accounts = [token_account(each) for each in tokens] + [user_account(tenant_id, each) for each in users]
        rows = await self._pool.fetch(
            "SELECT account_id::text, posted, held FROM ledger.account"
            " WHERE account_id = ANY ($1::uuid[]) AND tenant_id = $2 AND lane = $3",
            accounts,
            tenant_id,
            first_lane(tenant_id),
        )
        known = {row["account_id"]: row for row in rows}
        spends = [
            Spend(id=each, spent_nanos=-known[account]["posted"], held_nanos=known[account]["held"])
            if account in known
            else Spend(id=each, spent_nanos=0, held_nanos=0)
            for each, account in zip([*tokens, *users], accounts, strict=True)
        ]
        return tuple(spends[: len(tokens)]), tuple(spends[len(tokens) :])

    async def _moved(self, command: Command, amount_nanos: int, granted: CreditGranted | None = None) -> Movement:
        answer = await self._ledger.submit(command)
        if not answer.accepted:
            raise _movement_refusal(command.tenant_id, answer)
        return Movement(
            event_id=command.event_id,
            amount_nanos=amount_nanos,
            balance_nanos=await self._balance_after(command.tenant_id, answer),
            grant_id=granted.grant_id if granted is not None else None,
            expires_at=granted.expires_at if granted is not None else None,
        )

    async def _balance_after(self, tenant_id: TenantId, answer: Answer) -> int:
        if answer.code is Code.OK:
            return answer.balance_nanos
        # A repeated command is answered with its position only: the balance is today's.
        return int(
            await self._pool.fetchval(
                "SELECT coalesce(sum(posted - held), 0)::bigint FROM ledger.account"
                " WHERE pool_id = $1 AND tenant_id = $2 AND lane = $3 AND NOT spent AND expires_at > now()",
                wallet(tenant_id),
                tenant_id,
                first_lane(tenant_id),
            )
        )

    async def _finish(self, claim: CodeClaimed, claim_id: EventId) -> Movement:
        tenant_id = TenantId(claim.tenant_id)
        event_id = derive_id(claim_id, "redeemed")
        grant = CreditGranted(
            grant_id=claim.grant_id,
            kind=claim.kind,
            source="redemption",
            amount_nanos=claim.amount_nanos,
            priority=claim.priority,
            expires_at=claim.expires_at,
            reference=claim_id,
        )
        event = CodeRedeemed(
            claim_id=claim_id, batch_id=claim.batch_id, user_id=claim.user_id, grant=grant, address=claim.address
        )
        actor = f"user:{claim.user_id}"
        return await self._moved(
            grant_command(tenant_id, event_id, grant, event, actor=actor, causation_id=claim_id),
            claim.amount_nanos,
            grant,
        )

    async def _claim_of(self, claim_id: EventId) -> CodeClaimed | None:
        """Give a claim that was made before: its terms stand, whatever the clock says now."""
        data = await self._pool.fetchval(
            "SELECT data FROM ledger.event WHERE event_id = $1 AND tenant_id = $2 AND day = $3"
            " AND type = 'code.claimed.v1'",
            claim_id,
            PLATFORM,
            day_of(claim_id),
        )
        if data is None:
            return None
        claim: CodeClaimed = decode("code.claimed.v1", data)
        return claim

    async def _event_exists(self, tenant_id: TenantId, event_id: EventId) -> bool:
        return bool(
            await self._pool.fetchval(
                "SELECT EXISTS (SELECT FROM ledger.event WHERE event_id = $1 AND tenant_id = $2 AND day = $3)",
                event_id,
                tenant_id,
                day_of(event_id),
            )
        )


def new_code() -> str:
    """Give a redemption code of 100 random bits, in groups of five symbols."""
    symbols = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_SYMBOLS))
    return "-".join(symbols[start : start + 5] for start in range(0, _CODE_SYMBOLS, 5))


def code_hash(code: str) -> str:
    """Give the SHA-256 that a code is known by, however its letters were typed; raises UnknownCodeError."""
    plain = re.sub(r"[\s-]", "", code.upper()).translate(str.maketrans("OIL", "011"))
    if _CODE.fullmatch(plain) is None:
        raise UnknownCodeError("There is no such redemption code: check it for a typing error.")
    return hashlib.sha256(plain.encode()).hexdigest()


def _positive(amount_nanos: int) -> None:
    if check_nanos(amount_nanos) <= 0:
        raise AmountNotPositiveError("The amount must be above zero.")


def grant_command(
    tenant_id: TenantId,
    event_id: EventId,
    grant: CreditGranted,
    event: CreditGranted | CodeRedeemed,
    *,
    actor: str,
    causation_id: EventId,
) -> Command:
    account = grant_account(grant.grant_id)
    return Command(
        tenant_id=tenant_id,
        lane=first_lane(tenant_id),
        kind=Kind.POST,
        event_id=event_id,
        type=type_name(event),
        data=encode(event),
        actor=actor,
        correlation_id=causation_id,
        causation_id=causation_id,
        pool_id=wallet(tenant_id),
        legs=(Leg(account, grant.amount_nanos, op=Op.POST), Leg(account, op=Op.REPAY)),
        openings=(
            Opening(
                account,
                f"grant.{grant.kind}:{grant.grant_id}",
                Unit.MONEY,
                expires_at=grant.expires_at or "infinity",
                pool_id=wallet(tenant_id),
                priority=grant.priority,
            ),
        ),
    )


def claim_of(
    batch: CodeBatch, hashed: str, *, tenant_id: TenantId, claim_id: EventId, user_id: EntityId, now: dt.datetime
) -> CodeClaimed:
    expires_at = (now + dt.timedelta(days=batch.grant_days)).isoformat() if batch.grant_days is not None else None
    return CodeClaimed(
        batch_id=batch.batch_id,
        code_hash=hashed,
        tenant_id=tenant_id,
        user_id=user_id,
        grant_id=EntityId(derive_id(claim_id, "grant")),
        amount_nanos=batch.amount_nanos,
        kind=batch.kind,
        priority=batch.priority,
        expires_at=expires_at,
    )


def claim_command(claim: CodeClaimed, claim_id: EventId, batch: CodeBatch, batch_version: int) -> Command:
    code = code_account(claim.code_hash)
    own = code_tenant_account(claim.code_hash, TenantId(claim.tenant_id))
    return Command(
        tenant_id=PLATFORM,
        lane=first_lane(PLATFORM),
        kind=Kind.POST,
        event_id=claim_id,
        type=type_name(claim),
        data=encode(claim),
        actor=f"user:{claim.user_id}",
        correlation_id=claim_id,
        causation_id=claim_id,
        legs=(
            # Changes nothing, but is refused once the batch has changed: a revocation holds from its commit on.
            Leg(version_account(batch.batch_id), 0, batch_version, Op.EXPECT),
            Leg(code, -1, 0),
            Leg(own, -1, -batch.uses_per_tenant),
        ),
        openings=(Opening(own, f"code_tenant:{claim.code_hash[:12]}:{claim.tenant_id}", Unit.REQUESTS),),
    )


def _redeemable(batch: CodeBatch, now: dt.datetime, *, archived: bool) -> None:
    if batch.revoked or archived:
        raise CodeRevokedError("The operator has withdrawn this code.")
    if batch.expires_at is not None and dt.datetime.fromisoformat(batch.expires_at) <= now:
        raise CodeExpiredError("This code could be redeemed only until a day that has passed.")


def _claim_refusal(answer: Answer) -> WalletError:
    match answer.code, answer.leg:
        case Code.LIMIT, 2:
            return CodeUsedUpError("This code has been redeemed as often as it can be.", answer)
        case Code.LIMIT, _:
            return CodeUsedByTenantError("You have redeemed this code as often as you may.", answer)
        case Code.VERSION, _:
            return BatchChangedError("The batch of this code has just been changed: try again.", answer)
        case Code.CONFLICT, _:
            return IdReusedError("The same id was used for something else.", answer)
        case Code.BAD_DAY, _:
            return IdTooOldError("The first attempt did nothing, and is too long ago: start anew.", answer)
        case _:
            return WalletError(f"The code cannot be redeemed now ({answer.code.name.lower()}).", answer)


def _movement_refusal(tenant_id: TenantId, answer: Answer) -> WalletError:
    match answer.code:
        case Code.INSUFFICIENT:
            return InsufficientCreditError("The wallet does not cover the amount.", answer)
        case Code.UNKNOWN_ACCOUNT | Code.UNKNOWN_LANE:
            return UnknownWalletError(f"There is no tenant {tenant_id}.", answer)
        case Code.CONFLICT:
            return IdReusedError("The same id was used for another movement.", answer)
        case Code.BAD_DAY:
            return IdTooOldError("The first attempt did nothing, and is too long ago: use a new key.", answer)
        case _:
            return WalletError(f"The ledger refused this ({answer.code.name.lower()}).", answer)


# Amounts beside the wallet's own legs are limits: only pooled ones are credit of this wallet.
_HOLDS: Final = """
SELECT h.hold_id::text, h.deadline, e.data, count(*) OVER () AS holds_open,
    (SELECT coalesce(sum(l.amount), 0)::bigint FROM unnest(h.amounts, h.pooled) AS l (amount, pooled) WHERE l.pooled)
        AS held
FROM ledger.hold AS h
LEFT JOIN ledger.event AS e ON e.event_id = h.hold_id AND e.tenant_id = h.tenant_id AND e.day = h.day
WHERE h.tenant_id = $1 AND h.pool_id = $2
ORDER BY h.deadline, h.hold_id
LIMIT $3
"""


def _grant_balance(row: "asyncpg.Record") -> GrantBalance:
    kind, _, grant_id = row["name"].partition(":")
    expires_at = row["expires_at"]
    return GrantBalance(
        grant_id=EntityId(grant_id),
        kind=kind.removeprefix("grant."),
        remaining_nanos=row["posted"],
        held_nanos=row["held"],
        priority=row["priority"],
        # asyncpg gives PostgreSQL's infinity as the largest datetime.
        expires_at=None if expires_at.year == dt.MAXYEAR else expires_at,
        opened_at=row["opened_at"],
    )


def _open_hold(row: "asyncpg.Record") -> OpenHold:
    event: Any = decode("hold.authorized.v1", row["data"]) if row["data"] is not None else None
    known = event if isinstance(event, HoldAuthorized) else None
    return OpenHold(
        request_id=row["hold_id"],
        held_nanos=row["held"],
        expires_at=row["deadline"],
        token_id=known.token_id if known else None,
        user_id=known.user_id if known else None,
        model=known.model_asked if known else "",
    )
