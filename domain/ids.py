"""Identifiers: what each one names, how one is derived from another, and which day it belongs to.

Every id but a tenant's and a lane's is a UUIDv7 in its text form. The first 48 bits are milliseconds since 1970, so the
day that an event is stored under can be read from its id alone: a retry after midnight lands on the same key.
"""

import datetime as dt
import hashlib
from functools import lru_cache
from typing import NewType

TenantId = NewType("TenantId", int)
"""A billed customer, or the platform itself; below 2**53, so that JavaScript can hold it."""

Lane = NewType("Lane", int)
"""The ordering domain of events. Unique across tenants; a tenant's first lane has the tenant's own number."""

AccountId = NewType("AccountId", str)
EventId = NewType("EventId", str)
HoldId = NewType("HoldId", str)
"""A request that holds credit: the request's id, the hold's id and its event's id are one."""

EntityId = NewType("EntityId", str)
"""Anything that people administer: a user, token, channel, group, rate card, mapping, setting, code batch, grant."""

PLATFORM = TenantId(1)
"""The tenant whose lane holds the operator's own events: channels, prices, groups, people."""


def first_lane(tenant_id: TenantId) -> Lane:
    """Give the lane that a tenant starts with."""
    return Lane(int(tenant_id))


def day_of(uuid7: str) -> dt.date:
    """Give the UTC day that a UUIDv7 was made on."""
    milliseconds = int(uuid7[:8] + uuid7[9:13], 16)
    return dt.date(1970, 1, 1) + dt.timedelta(days=milliseconds // 86_400_000)


def derive_id(uuid7: str, kind: str) -> EventId:
    """Give the one id of this kind that belongs to `uuid7`: same time part, the rest a hash of both.

    A hold's capture, void and expiry are all of the kind "terminal", so the key of the event table forbids two of them.
    """
    digest = hashlib.blake2b(f"{kind}\x00{uuid7}".encode(), digest_size=10).hexdigest()
    variant = "89ab"[int(digest[3], 16) & 3]
    return EventId(f"{uuid7[:14]}7{digest[:3]}-{variant}{digest[4:7]}-{digest[7:19]}")


@lru_cache(maxsize=8192)
def account_id(kind: str, owner: str, window: str = "") -> AccountId:
    """Give the account of an owner: the same in every process and after every restart, with nothing to look up.

    A window such as "2026-11-23" is part of the name, so a new day has a new account and nothing has to be reset.
    """
    digest = hashlib.blake2b(f"{kind}\x00{owner}\x00{window}".encode(), digest_size=16).hexdigest()
    return AccountId(f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:]}")
