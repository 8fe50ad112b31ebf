"""Bodies of requests as they come over ASGI."""

import asyncio
from typing import Any

import pytest

from app.relay import wire
from app.relay.errors import ApiError
from app.relay.surfaces import SURFACES
from app.relay.wire import Exchange


def made(*messages: Any, **headers: str) -> Exchange:
    """Give an exchange whose client sends these messages, and then nothing more."""
    waiting = list(messages)

    async def receive() -> Any:
        if waiting:
            await asyncio.sleep(0)
            return waiting.pop(0)
        return await asyncio.Event().wait()

    async def send(_: Any) -> None:
        """Nothing is sent."""

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"path": "/v1/chat/completions", "headers": given}
    return Exchange(scope, receive, send, "id", SURFACES["openai"])


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_comes_whole_or_in_parts() -> None:
    assert await made(part(b"whole")).body(10) == b"whole"
    assert await made(part(b"in ", more=True), part(b"parts", more=True), part(b"")).body(10) == b"in parts"


@pytest.mark.parametrize("messages", [(), (part(b"half", more=True),)], ids=["nothing", "half"])
async def test_a_body_that_does_not_come_in_time_is_refused(
    monkeypatch: pytest.MonkeyPatch, messages: tuple[Any, ...]
) -> None:
    monkeypatch.setattr(wire, "BODY_SECONDS", 0.05)

    with pytest.raises(ApiError) as refused:
        await made(*messages).body(10)

    assert (refused.value.status, refused.value.code) == (408, "request_timeout")


async def test_a_compressed_body_is_refused_with_a_word_on_why_unless_nobody_reads_it() -> None:
    with pytest.raises(ApiError, match="gzip") as refused:
        await made(part(b"\x1f\x8b"), content_encoding="gzip").body(10)

    assert (refused.value.status, refused.value.code) == (415, "unsupported_content_encoding")
    assert await made(part(b"\x1f\x8b"), content_encoding="gzip").body(10, is_opaque=True) == b"\x1f\x8b"
    assert await made(part(b"{}"), content_encoding="identity").body(10) == b"{}"
