"""Channel types, and what a vendor says about a channel, as the API gives them."""

from typing import Annotated

import msgspec

from app.api.schemas.channels import VendorKey
from app.api.schemas.common import Body, ModelNames
from domain.relay.channel_type import Words
from domain.relay.vendor_errors import Kind


class FormField(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a channel's `options`, as a form asks for it."""

    name: str
    title: Words
    help: Words
    required: bool
    default: str
    choices: tuple[str, ...]
    """All that it may be; empty for any text."""


class ChannelTypeView(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of vendor, with everything that a form for its channels needs."""

    name: str
    title: Words
    number: int | None
    """One API's number for it."""
    base_url: str
    """The vendor's own address; empty where each channel must name one."""
    needs_base_url: bool
    needs_key: bool
    key_title: Words
    key_help: Words
    key_prefixes: tuple[str, ...]
    """How its keys begin, where that is known."""
    fields: tuple[FormField, ...]
    models: tuple[str, ...]
    """Suggestions."""
    surfaces: tuple[str, ...]
    native: tuple[str, ...]
    """Contracts of clients whose bytes pass through."""
    capabilities: tuple[str, ...]
    lists_models: bool
    tells_balance: bool
    retired: Words | None
    """Why no channel of it can be made any more, and what to use instead."""


class ChannelTypes(msgspec.Struct, frozen=True, kw_only=True):
    """Every channel type, by title."""

    items: tuple[ChannelTypeView, ...]


class KeyStart(Body, frozen=True, kw_only=True):
    """How a vendor key begins: enough to guess its vendor, too little to use it."""

    key_start: Annotated[str, msgspec.Meta(min_length=1, max_length=12)]


class ChannelTypeGuess(msgspec.Struct, frozen=True, kw_only=True):
    """The types that a key may be of, the likeliest first; empty if it looks like nobody's."""

    types: tuple[str, ...]


class ChannelTrial(Body, frozen=True, kw_only=True):
    """A channel that is not saved, to be tried."""

    type: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    base_url: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    options: dict[str, str] = msgspec.field(default_factory=dict)
    key: VendorKey | None = None
    models: ModelNames = ()
    """The first is called, where the vendor has nothing cheaper to ask."""
    model_map: dict[str, str] = msgspec.field(default_factory=dict)


class ChannelTestAsked(Body, frozen=True, kw_only=True):
    """Which of a channel's keys to test."""

    key_number: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    """From 1, in the order of its lines."""


class ChannelTestView(msgspec.Struct, frozen=True, kw_only=True):
    """What a test found."""

    ok: bool
    latency_milliseconds: int
    kind: Kind | None
    """What is wrong: `auth` is the key, `connect` the address."""
    code: str
    """The vendor's own word for it, if it is safe to show."""
    advice: str
    """What to look at; empty if all is well."""
    models: tuple[str, ...]
    """The vendor's models, where the test listed them."""


class VendorModels(msgspec.Struct, frozen=True, kw_only=True):
    """The models that a vendor says it has; empty where it does not tell."""

    models: tuple[str, ...]


class VendorCredit(msgspec.Struct, frozen=True, kw_only=True):
    """What is left at the vendor in one currency."""

    currency: str
    amount: str
    """Decimal text."""


class VendorBalance(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's credit at a vendor; empty where it does not tell."""

    items: tuple[VendorCredit, ...]
