"""What a request sticks by: the client's own key for its user, or the beginning of its conversation."""

import hashlib
from typing import Any, Final

import msgspec

from domain.relay.call import Call

_OPENING_MAX: Final = 4
"""Items up to the first of a user's that are looked at: system and developer instructions come before it."""


class _Item(msgspec.Struct, gc=False):
    role: str = ""


class _Body(msgspec.Struct, gc=False):
    system: msgspec.Raw = msgspec.Raw(b"")
    messages: list[msgspec.Raw] = []
    contents: list[msgspec.Raw] = []
    input: Any = None


_BODY: Final = msgspec.json.Decoder(_Body)
_ITEM: Final = msgspec.json.Decoder(_Item)


def conversation_key(call: Call) -> str:
    """Give a key that all turns of a conversation share: a hash of its opening, which every turn repeats.

    Empty where there is no conversation, or none that can be read.
    """
    if call.surface != "chat" or not call.content_type.startswith("application/json"):
        return ""
    try:
        body = _BODY.decode(call.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    items = body.messages or body.contents
    opening = [bytes(body.system), *_opening(items)]
    if not items:
        said = body.input[:1] if isinstance(body.input, list) else body.input
        if not said:
            return ""
        opening.append(msgspec.json.encode(said))
    return hashlib.blake2b(b"\x00".join(opening), digest_size=16).hexdigest()


def _opening(items: list[msgspec.Raw]) -> list[bytes]:
    found: list[bytes] = []
    for item in items[:_OPENING_MAX]:
        found.append(bytes(item))
        try:
            if _ITEM.decode(item).role == "user":
                break
        except msgspec.ValidationError:
            break
    return found
