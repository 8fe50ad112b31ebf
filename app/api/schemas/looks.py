"""Looks of the operator as the API shows them."""

import datetime as dt

import msgspec

from domain.ids import EntityId


class LookView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the operator looked at the tenant's data."""

    event_id: str
    at: dt.datetime
    user_id: EntityId
    login: str
    """As it was at the time."""
    role: str
    """Of the platform: root, admin, auditor or support."""
    operation: str
    """The operation of this API, by its operation id."""
