"""The accounts that Tallygate keeps, by name: every limit, wallet and counter is one of these.

An account's id is a hash of its kind, owner and window, so that any process can name it with nothing to look up.
"""

from functools import lru_cache
from typing import Final

from domain.ids import AccountId, EntityId, TenantId, account_id
from domain.ledger.commands import Opening, Unit

_KNOWN: Final = 16_384
"""Ids that are remembered, for each request names the same few: a hash costs more than looking it up."""


@lru_cache(maxsize=_KNOWN)
def tenant_account(tenant_id: TenantId) -> AccountId:
    """Count what the tenant has spent, below zero; closed while the tenant is suspended."""
    return account_id("tenant", str(tenant_id))


@lru_cache(maxsize=_KNOWN)
def user_account(tenant_id: TenantId, user_id: EntityId) -> AccountId:
    """Count what a member has spent of the tenant's money; closed while the member is."""
    return account_id("user", f"{tenant_id}:{user_id}")


@lru_cache(maxsize=_KNOWN)
def token_account(token_id: EntityId) -> AccountId:
    """Count what a token has spent; closed for good when it is revoked."""
    return account_id("token", token_id)


@lru_cache(maxsize=_KNOWN)
def wallet(tenant_id: TenantId) -> AccountId:
    """Name the pool whose members pay for a tenant's requests."""
    return account_id("wallet", str(tenant_id))


def credit_line(tenant_id: TenantId) -> AccountId:
    """Name the last member of a wallet: what overruns owe, and what the operator lets the tenant owe."""
    return account_id("credit_line", str(tenant_id))


def grant_account(grant_id: EntityId) -> AccountId:
    """Hold what is left of a grant."""
    return account_id("grant", grant_id)


def version_account(entity_id: str) -> AccountId:
    """Count the changes of an administered thing: a change names the version that it was made from."""
    return account_id("version", entity_id)


def name_account(kind: str, name: str) -> AccountId:
    """Stand for a name that must be unique on the platform: taken once its count is 1."""
    return account_id("name", f"{kind}:{name}")


def code_account(code_hash: str) -> AccountId:
    """Hold the uses that a redemption code has left."""
    return account_id("code", code_hash)


def code_tenant_account(code_hash: str, tenant_id: TenantId) -> AccountId:
    """Count one tenant's uses of a redemption code, below zero."""
    return account_id("code_tenant", f"{code_hash}:{tenant_id}")


def tenant_openings(tenant_id: TenantId) -> tuple[Opening, ...]:
    """Give what a new tenant needs: its counter, and a wallet with nothing in it but the credit line."""
    return (
        Opening(tenant_account(tenant_id), f"tenant:{tenant_id}", Unit.MONEY),
        Opening(
            credit_line(tenant_id),
            f"credit_line:{tenant_id}",
            Unit.MONEY,
            pool_id=wallet(tenant_id),
            credit_line=True,
        ),
    )
