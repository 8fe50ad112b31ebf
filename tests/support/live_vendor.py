"""A vendor of OpenAI's Realtime contract that keeps its own meter: text is answered with text, and sound by itself.

What a client says decides how it behaves: see `_answer`.
"""

import asyncio
import base64
import json
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import WSMsgType, web

KEY: Final = "sk-live-vendor"
USAGE: Final[dict[str, Any]] = {
    "total_tokens": 340,
    "input_tokens": 300,
    "output_tokens": 40,
    "input_token_details": {
        "text_tokens": 120,
        "audio_tokens": 180,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 44, "audio_tokens": 20},
    },
    "output_token_details": {"text_tokens": 10, "audio_tokens": 30},
}
CHARGE_NANOS: Final = 76 * 4_000 + 64 * 400 + 160 * 32_000 + 10 * 16_000 + 30 * 64_000
"""What that comes to at the prices of acme-live: cached tokens are cached, whatever they were before."""


class LiveVendor:
    """Listens on the loopback."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.query: dict[str, str] = {}
        self.heard: list[dict[str, Any]] = []
        self.answered = 0
        """Answers that it bills."""
        self.refuses = 0
        """The status of a handshake that is refused."""
        self.gone = asyncio.Event()
        """Set when a session has ended."""
        self.came = asyncio.Event()
        """Set at each message."""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v1/realtime", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.headers, self.query = dict(request.headers), dict(request.rel_url.query)
        if self.refuses:
            return web.json_response({"error": {"message": f"no {KEY}", "code": "x"}}, status=self.refuses)
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        session = {"type": "realtime", "id": "sess_1", "model": self.query["model"], "max_output_tokens": "inf"}
        await _say(socket, "session.created", session=session)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            event = json.loads(message.data)
            self.heard.append(event)
            self.came.set()
            if event["type"] == "session.update":
                session |= event["session"]
                await _say(socket, "session.updated", session=session)
            elif event["type"] == "response.create":
                await self._answer(socket, self._last_words())
            elif event["type"] == "response.cancel":
                await self._end(socket, "resp_open", status="cancelled")
            elif event["type"] == "input_audio_buffer.commit":
                await self._transcribe(socket)
        self.gone.set()
        return socket

    def _last_words(self) -> str:
        for event in reversed(self.heard):
            for part in (event.get("item") or {}).get("content", ()):
                if "text" in part:
                    return str(part["text"])
        return ""

    async def _answer(self, socket: web.WebSocketResponse, words: str) -> None:
        if words == "refuse":
            await _say(socket, "error", error={"type": "invalid_request_error", "message": f"not so, {KEY}"})
            return
        name = f"resp_{self.answered}" if words not in ("linger", "break off") else "resp_open"
        await _say(socket, "response.created", response={"id": name, "object": "realtime.response", "output": []})
        if words.startswith("fail"):
            usage = USAGE if words == "fail, having read" else None
            failed: dict[str, Any] = {"id": name, "status": "failed", "output": [], "usage": usage}
            await _say(socket, "response.done", response=failed)
            return
        piece = {"response_id": name, "item_id": "item_1", "output_index": 0, "content_index": 0}
        await _say(socket, "response.output_audio_transcript.delta", delta="Good day to you.", **piece)
        sound = base64.b64encode(b"\0" * 24_000).decode()
        await _say(socket, "response.output_audio.delta", delta=sound, **piece)
        if words == "linger":
            return
        if words == "break off":
            assert socket._writer is not None
            assert socket._writer.transport is not None
            socket._writer.transport.abort()
            return
        await self._end(socket, name)

    async def _end(self, socket: web.WebSocketResponse, name: str, status: str = "completed") -> None:
        self.answered += 1
        response = {"id": name, "object": "realtime.response", "status": status, "output": [], "usage": USAGE}
        await _say(socket, "response.done", response=response)

    async def _transcribe(self, socket: web.WebSocketResponse) -> None:
        usage = {
            "type": "tokens",
            "total_tokens": 26,
            "input_tokens": 20,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 20},
            "output_tokens": 6,
        }
        await _say(
            socket,
            "conversation.item.input_audio_transcription.completed",
            item_id="item_1",
            content_index=0,
            transcript="Good day.",
            usage=usage,
        )


async def _say(socket: web.WebSocketResponse, type_: str, **members: Any) -> None:
    await socket.send_str(json.dumps({"type": type_, "event_id": "event_1", **members}))
