"""/api/channel-types and what can be asked of a channel's vendor: does it answer, its models, its balance."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from adapters.channel_types import TYPES, find
from adapters.channel_types.key_prefixes import prefixes_of, types_of_key
from app.api.call import Call, ThisCall, route
from app.api.channels import CHANNELS, check_address
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.channel_types import (
    ChannelTestAsked,
    ChannelTestView,
    ChannelTrial,
    ChannelTypeGuess,
    ChannelTypes,
    ChannelTypeView,
    FormField,
    KeyStart,
    VendorBalance,
    VendorCredit,
    VendorModels,
)
from app.relay.inspection import ChannelTest, Inspection
from domain.admin.entities import Channel
from domain.admin.errors import InvalidEntityError
from domain.errors import TallygateError
from domain.ids import EntityId
from domain.relay.channel_type import ChannelType
from domain.relay.dialect import Target
from domain.relay.vendor_errors import Kind, VendorError
from domain.routing.keys import split_keys

_ADVICE: Final[dict[Kind, str]] = {
    "auth": "The vendor refused the key: check it, how it is written, and what it may do.",
    "quota": "The vendor says that the account has no credit left.",
    "rate_limit": "The key works, and the vendor limits its rate: try again later.",
    "overloaded": "The vendor is overloaded: try again later.",
    "server": "The vendor had an error of its own: try again later.",
    "timeout": "The vendor did not answer in time: check the address, and whether this server can reach it.",
    "connect": "The address cannot be reached: check it, and whether this server may call it.",
    "protocol": "The answer is not this vendor's: check the type and the address.",
    "not_found": "The vendor does not know the path or the model: check the address and the first model's name.",
    "bad_request": "The vendor refused the test call: check the fields and the first model's name.",
    "content": "The vendor's filter refused the test call; address and key are right.",
}


@get("/channel-types", **route(Permission.CHANNEL_READ, "listChannelTypes", "List kinds of vendors, with their forms"))
async def list_channel_types() -> ChannelTypes:
    rows = sorted(TYPES.values(), key=lambda row: row.title.en.lower())
    return ChannelTypes(items=tuple(_view(row) for row in rows))


@post(
    "/channel-types/detect",
    status_code=200,
    **route(Permission.CHANNEL_WRITE, "detectChannelType", "Guess a key's vendor from how it begins"),
)
async def detect_channel_type(data: JSONBody[KeyStart]) -> ChannelTypeGuess:
    return ChannelTypeGuess(types=types_of_key(data.key_start))


@post(
    "/channels/test",
    status_code=200,
    **route(Permission.CHANNEL_WRITE, "tryChannel", "Test a channel before it is saved", 422, secrets=True),
)
async def try_channel(call: ThisCall, data: JSONBody[ChannelTrial]) -> ChannelTestView:
    channel = _trial(call, data)
    return _tested(await _inspection(call).test(channel, split_keys(data.key or "")[0]))


@post(
    "/channels/{channel_id:str}/test",
    status_code=200,
    **route(Permission.CHANNEL_WRITE, "testChannel", "Test a channel by the cheapest call that shows it works", 404),
)
async def test_channel(call: ThisCall, channel_id: FromPath[str], data: JSONBody[ChannelTestAsked]) -> ChannelTestView:
    channel = await _find(call, channel_id, Permission.CHANNEL_WRITE)
    return _tested(await _inspection(call).test(channel, number=data.key_number))


@get(
    "/channels/{channel_id:str}/models",
    **route(Permission.CHANNEL_READ, "listChannelModels", "List the models that a channel's vendor has", 404, 502),
)
async def list_channel_models(call: ThisCall, channel_id: FromPath[str]) -> VendorModels:
    channel = await _find(call, channel_id, Permission.CHANNEL_READ)
    try:
        return VendorModels(models=await _inspection(call).models(channel))
    except VendorError as error:
        raise _failed(error) from None


@get(
    "/channels/{channel_id:str}/balance",
    **route(Permission.CHANNEL_READ, "getChannelBalance", "Read what credit is left at a channel's vendor", 404, 502),
)
async def channel_balance(call: ThisCall, channel_id: FromPath[str]) -> VendorBalance:
    channel = await _find(call, channel_id, Permission.CHANNEL_READ)
    try:
        left = await _inspection(call).balance(channel)
    except VendorError as error:
        raise _failed(error) from None
    credit = (VendorCredit(currency=currency, amount=f"{left[currency]:f}") for currency in sorted(left))
    return VendorBalance(items=tuple(credit))


async def _find(call: Call, channel_id: str, permission: Permission) -> Channel:
    channel: Channel = (await CHANNELS.find(call, channel_id, permission)).entity
    return channel


def _inspection(call: Call) -> Inspection:
    if call.api.inspection is None:
        raise ApiError("unavailable", "This server calls no vendors.")
    return call.api.inspection


def _trial(call: Call, data: ChannelTrial) -> Channel:
    """Give the channel as it would be saved; InvalidEntityError for what could not be."""
    known = find(data.type)
    if known is None:
        raise InvalidEntityError("type", f"there is no channel type {data.type!r}: see GET /api/channel-types")
    if known.retired is not None:
        raise InvalidEntityError("type", known.retired.en)
    if not (data.base_url or known.base_url):
        raise InvalidEntityError("base_url", "this type has no address of its own: give the vendor's")
    check_address(call, data.base_url)
    return Channel(
        channel_id=EntityId(""),
        name="trial",
        type=known.name,
        base_url=data.base_url,
        options=data.options,
        models=data.models,
        model_map=data.model_map,
    )


def _tested(found: ChannelTest) -> ChannelTestView:
    return ChannelTestView(
        ok=found.ok,
        latency_milliseconds=found.latency_milliseconds,
        kind=found.kind,
        code=found.code,
        advice=_ADVICE[found.kind] if found.kind is not None else "",
        models=found.models,
    )


def _failed(error: VendorError) -> ApiError:
    return ApiError("vendor_failed", _ADVICE[error.kind])


def _view(row: ChannelType) -> ChannelTypeView:
    return ChannelTypeView(
        name=row.name,
        title=row.title,
        number=row.number,
        base_url=row.base_url,
        needs_base_url=not row.base_url,
        needs_key=row.needs_key,
        key_title=row.key_title,
        key_help=row.key_help,
        key_prefixes=prefixes_of(row.name),
        fields=tuple(
            FormField(
                name=field.name,
                title=field.title,
                help=field.help,
                required=field.required,
                default=field.default,
                choices=field.choices,
            )
            for field in row.fields
        ),
        models=row.models,
        surfaces=tuple(sorted(row.surfaces)),
        native=tuple(sorted(row.native)),
        capabilities=tuple(sorted(row.capabilities)),
        lists_models=_asks(row, "models_request"),
        tells_balance=_asks(row, "balance_request"),
        retired=row.retired,
    )


def _asks(row: ChannelType, what: str) -> bool:
    """Whether a vendor can be asked something: whether its dialect has a request for it, for any key."""
    ask: Any = getattr(row.dialect, what, None)
    if ask is None or row.retired is not None:
        return False
    sample = Target(
        base_url=row.base_url or "https://vendor.invalid",
        key="sample",
        model="",
        options={field.name: field.default for field in row.fields},
        now=dt.datetime.fromtimestamp(0, dt.UTC),
        request_id="",
    )
    try:
        return ask(sample) is not None
    except TallygateError:
        # It wants a key of another form than the sample's.
        return True


ROUTES: Sequence[BaseRouteHandler] = (
    list_channel_types,
    detect_channel_type,
    try_channel,
    test_channel,
    list_channel_models,
    channel_balance,
)
