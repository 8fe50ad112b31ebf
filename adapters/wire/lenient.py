"""Reading JSON as generously as vendors write it."""

import json
from typing import Any, Final

import msgspec


def loads(data: bytes | memoryview | msgspec.Raw) -> Any:
    """Read JSON, half surrogates, NaN and broken UTF-8 forgiven; None if it is not JSON."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(bytes(data).decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


_MARKS: Final = frozenset({"type", "id", "index", "signature"})


def leaves(value: object) -> str:
    """Join the strings in a value such as an array of parts, without those that only say what a part is."""
    pieces: list[str] = []
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                # A half surrogate pair has no UTF-8 form, and the text is going to be counted in that form.
                pieces.append(text.encode("utf-8", "replace").decode())
            case dict() as members:
                pending += [members[name] for name in reversed(members) if name not in _MARKS]
            case list() as items:
                pending += reversed(items)
            case _:
                pass
    return "".join(pieces)
