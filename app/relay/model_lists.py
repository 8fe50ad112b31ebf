"""Lists of models as Anthropic's and Gemini's contracts have them; pages are cut by the name that they go on after.

Sources: the types of both vendors' SDKs for Python.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs

from app.relay.errors import ApiError

_ANTHROPIC_PAGE: Final = 20
_GEMINI_PAGE: Final = 50
_PAGE_MAX: Final = 1000
_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")


def anthropic_model(name: str, created: int) -> dict[str, Any]:
    """Give one model; `created` in Unix seconds."""
    at = dt.datetime.fromtimestamp(created, dt.UTC)
    return {"type": "model", "id": name, "display_name": name, "created_at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}


def anthropic_list(names: Sequence[str], created: Callable[[str], int], query: str) -> dict[str, Any]:
    """Give a page, as `limit`, `after_id` and `before_id` ask."""
    asked = parse_qs(query)
    size = _size(asked, "limit", _ANTHROPIC_PAGE)
    after, before = asked.get("after_id"), asked.get("before_id")
    if before is not None and after is None:
        earlier = list(names)[: _place(names, before[0], "before_id")]
        page, has_more = earlier[-size:], len(earlier) > size
    else:
        rest = list(names)[_place(names, after[0], "after_id") + 1 if after is not None else 0 :]
        page, has_more = rest[:size], len(rest) > size
    return {
        "data": [anthropic_model(name, created(name)) for name in page],
        "has_more": has_more,
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def gemini_model(name: str) -> dict[str, Any]:
    """Give one model."""
    return {
        "name": f"models/{name}",
        "version": "",
        "displayName": name,
        "supportedGenerationMethods": list(_METHODS),
    }


def gemini_list(names: Sequence[str], query: str) -> dict[str, Any]:
    """Give a page, as `pageSize` and `pageToken` ask; the token is the last name of the page before."""
    asked = parse_qs(query)
    size = _size(asked, "pageSize", _GEMINI_PAGE)
    token = asked.get("pageToken")
    rest = list(names)[_place(names, token[0], "pageToken") + 1 if token is not None else 0 :]
    answer: dict[str, Any] = {"models": [gemini_model(name) for name in rest[:size]]}
    return answer | ({"nextPageToken": rest[size - 1]} if len(rest) > size else {})


def _size(asked: Mapping[str, Sequence[str]], name: str, default: int) -> int:
    text = asked.get(name, [str(default)])[0]
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _PAGE_MAX):
        raise ApiError(
            400, f"{name} is a number from 1 to {_PAGE_MAX}.", code="invalid_value", param=name, may_retry=False
        )
    return int(text[:9])


def _place(names: Sequence[str], name: str, param: str) -> int:
    if name not in names:
        raise ApiError(400, f"{param} names no model of the list.", code="invalid_value", param=param, may_retry=False)
    return list(names).index(name)
