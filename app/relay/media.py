"""Images and files that a client names by address, for vendors that take them only inside the request."""

import base64
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from adapters.outbound import Fetched, FetchError
from domain.outbound import OutboundRefusedError
from domain.relay.call import InvalidRequestError
from domain.relay.chat import ChatRequest, Media, Message, Part, ToolResult
from domain.relay.dialect import CanonicalRequest

MEDIA_BYTES_MAX: Final = 20 * 2**20
MEDIA_COUNT_MAX: Final = 32


Fetch = Callable[[str, int], Awaitable[Fetched]]


async def inlined(request: CanonicalRequest, fetch: Fetch) -> CanonicalRequest:
    """Give the request with everything named by an address fetched; InvalidRequestError for what cannot be had."""
    if not isinstance(request, ChatRequest) or not any(_named(part) for part in _parts(request)):
        return request
    if sum(map(_named, _parts(request))) > MEDIA_COUNT_MAX:
        raise InvalidRequestError(f"A request may name at most {MEDIA_COUNT_MAX} images or files by address.")
    messages = [
        Message(message.role, tuple([await _inline(part, fetch) for part in message.parts]), message.name)
        for message in request.messages
    ]
    return msgspec.structs.replace(request, messages=tuple(messages))


def _parts(request: ChatRequest) -> list[Part]:
    parts: list[Part] = []
    for message in request.messages:
        for part in message.parts:
            parts += part.parts if isinstance(part, ToolResult) else (part,)
    return parts


def _named(part: Part) -> bool:
    return isinstance(part, Media) and bool(part.url)


async def _inline(part: Part, fetch: Fetch) -> Part:
    if isinstance(part, ToolResult):
        inner = [await _inline(each, fetch) for each in part.parts]
        return msgspec.structs.replace(part, parts=tuple(inner))
    if not isinstance(part, Media) or not part.url:
        return part
    try:
        fetched = await fetch(part.url, MEDIA_BYTES_MAX)
    except (OutboundRefusedError, FetchError) as error:
        raise InvalidRequestError(
            f"An {part.kind} could not be fetched: {error}", param="messages", reason="invalid_media_url"
        ) from error
    media_type = fetched.content_type or part.media_type
    return msgspec.structs.replace(part, url="", data=base64.b64encode(fetched.body).decode(), media_type=media_type)
