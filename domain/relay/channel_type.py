"""A channel type: everything about a vendor that is data, so that most vendors are one row."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain.relay.call import ClientDialect, Surface
from domain.relay.dialect import Target, VendorDialect
from domain.relay.hosted import Searches
from domain.relay.ports import VendorRequest

Capability: TypeAlias = Literal[
    "tools", "images", "audio", "files", "json_object", "json_schema", "reasoning", "logprobs", "n", "seed"
]


class Words(msgspec.Struct, frozen=True):
    """A text for people, in the console's two languages."""

    en: str
    zh: str


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a channel's form, beside name, address, key and models."""

    name: str
    title: Words
    help: Words
    required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()


class ChannelType(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of vendor that a channel can be connected to."""

    name: str
    """Stored with channels; never changes."""
    title: Words
    dialect: VendorDialect
    base_url: str = ""
    """The vendor's own; empty where each operator has another, which must then be given."""
    number: int | None = None
    """One API's number for it, accepted on import."""
    aliases: tuple[str, ...] = ()
    """Other names and numbers (as text) that mean this type on import."""
    key_title: Words = Words("API key", "API 密钥")
    key_help: Words = Words("", "")
    """How a composite key is written, such as `AK|SK`."""
    needs_key: bool = True
    fields: tuple[Field, ...] = ()
    surfaces: frozenset[Surface] = frozenset({"chat"})
    native: frozenset[ClientDialect] = frozenset()
    """Contracts of clients that the vendor speaks itself: their bytes pass through, and `dialect` is a Native."""
    capabilities: frozenset[Capability] = frozenset()
    limits_output: bool = True
    """Whether the vendor keeps to an output limit; of one that does not all that the model can write is held for."""
    searches: Searches = ""
    """What is known of the searches that the vendor makes for an answer and bills."""
    keeps_stops: bool = False
    """Whether an answer that a stop sequence ended has it at its end: then it is taken off."""
    inlines_media: bool = False
    """Whether the vendor takes images and files only inside the request: those named by an address are fetched."""
    models: tuple[str, ...] = ()
    """Suggestions for the form; a channel serves what its operator writes down."""
    probe: Literal["models", "chat", "embeddings", "rerank", "none"] = "models"
    """The cheapest call that shows that address and key are right."""
    retired: Words | None = None
    """Why no channel of this type can be made any more, and what to use instead."""
    unverified: tuple[str, ...] = ()
    """What the vendor's behavior was not confirmed for; both outcomes work. For docs/vendors.md."""
    shown_by: tuple[str, ...] = ()
    """The test files that show it. For docs/vendors.md."""


class Inspectable(Protocol):
    """A dialect whose vendor can be asked about the channel itself."""

    def models_request(self, target: Target) -> VendorRequest | None:
        """Give the request that lists models."""

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read the list; empty if there is none in it."""

    def balance_request(self, target: Target) -> VendorRequest | None:
        """Give the request for the operator's credit at the vendor; None where there is none."""

    def decode_balance(self, body: bytes) -> Mapping[str, Decimal]:
        """Read what is left, by currency; empty if it is not in it."""
