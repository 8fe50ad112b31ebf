"""Model mappings as the API takes and gives them."""

import datetime as dt
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from app.api.schemas.common import Name, Reasoned
from domain.admin import entities as e
from domain.ids import EntityId, TenantId


class MappingState(msgspec.Struct, frozen=True, kw_only=True):
    """Another name for a model."""

    id: EntityId
    model: str
    target: str
    tenant_id: TenantId | None
    billed: Literal["asked", "routed"]
    enabled: bool


class MappingView(MappingState, frozen=True, kw_only=True):
    """A mapping as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewMapping(Reasoned, frozen=True, kw_only=True):
    """A name that stands for another model, for everybody or for one tenant."""

    model: Name
    target: Name
    tenant_id: TenantId | None = None
    billed: Literal["asked", "routed"] = "routed"
    enabled: bool = True


class MappingChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different."""

    model: Name | UnsetType = UNSET
    target: Name | UnsetType = UNSET
    billed: Literal["asked", "routed"] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


def mapping_state(mapping: e.Mapping) -> MappingState:
    """Give a mapping as the API shows it."""
    return MappingState(
        id=mapping.mapping_id,
        model=mapping.model,
        target=mapping.target,
        tenant_id=mapping.tenant_id,
        billed=mapping.billed,
        enabled=mapping.enabled,
    )
