"""One call to one vendor, from the request to the client's last byte."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from adapters.aws_event_stream import AwsEventSplitter
from adapters.lines import LineSplitter, WholeMessages
from adapters.sse import SseSplitter
from app.relay.errors import from_vendor
from app.relay.line import Line, charge_headers, charge_words
from app.relay.media import inlined
from app.relay.progress import Progress, code_of, outcome_of
from app.relay.translation import Step, Translation, translation
from domain.admission import Quote, Route
from domain.relay.channel_type import ChannelType
from domain.relay.dialect import CanonicalRequest, Frame, Framing, Said, Target
from domain.relay.hosted import hosted_tools, refuse_unpaid
from domain.relay.ports import VendorReply, VendorRequest
from domain.relay.vendor_errors import VendorError

if TYPE_CHECKING:
    from domain.holds.events import Outcome

ANSWER_BYTES_MAX: Final = 64 * 2**20
ERROR_BYTES_MAX: Final = 64 * 2**10
CHECKPOINT_SECONDS: Final = 2.0
"""How much of a stream may be lost to the operator if this process is killed."""
INCREMENT_SECONDS: Final = 0.2
"""The pause between two parts of an answer that its vendor gave as a whole, for a client that streams."""
_WITH_TOOLS: Final = frozenset({"chat", "completions"})
_OK: Final = 200
_ERROR: Final = 400


class _Splitter(Protocol):
    def feed(self, chunk: bytes) -> list[Frame]: ...
    def finish(self) -> list[Frame]: ...


SPLITTERS: Final[Mapping[Framing, Callable[[], _Splitter]]] = {
    "sse": SseSplitter,
    "ndjson": LineSplitter,
    "aws": AwsEventSplitter,
    "websocket": WholeMessages,
    "whole": WholeMessages,
    "raw": WholeMessages,
}


class Attempt:
    """One attempt of a run. VendorError out of `call` means: the client has had nothing, and another may try."""

    def __init__(
        self,
        run: Line,
        quote: Quote,
        route: Route,
        progress: Progress,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take its side of the request that it is of, the route that it goes, and how it waits between increments."""
        self.run = run
        self.quote = quote
        self.route = route
        self.progress = progress
        self._pause = pause
        self.tail: list[bytes] = []
        """What the client gets only after the capture."""
        self.is_done = False
        self.access_token = ""
        """What the vendor key was exchanged for, where its type does that."""
        self.broken: VendorError | None = None
        """What went wrong after the client had had something."""
        self.checkpoint_at = time.monotonic() + CHECKPOINT_SECONDS

    async def call(self) -> None:
        """Call the vendor and relay its answer."""
        run, vendors = self.run, self.run.relay.vendors
        channel = self.route.channel
        if not run.key.is_readable:
            raise VendorError("auth", vendor_code="channel_key_unreadable")
        key = run.key.secret
        channel_type = vendors.type_of(channel)
        canonical = run.canonical
        if channel_type.inlines_media:
            request_in_full = await run.breakable(inlined(run.canonical(), run.relay.fetch))
            canonical = functools.partial(_same, request_in_full)
        for may_renew in (True, False):
            try:
                await self._exchange(channel_type, key, canonical)
            except VendorError as error:
                if error.kind != "auth":
                    raise
                # The vendor may have ended an access token before its time; a fresh one tells that from a wrong key.
                vendors.forget_token(channel, key)
                if not (may_renew and self.access_token) or run.exchange.started or self.progress.has_output:
                    raise
                self.tail.clear()
            else:
                return

    async def _exchange(self, channel_type: ChannelType, key: str, canonical: Callable[[], CanonicalRequest]) -> None:
        """Ask once, in all the steps that it takes, and relay the answer."""
        run, vendors, channel = self.run, self.run.relay.vendors, self.route.channel
        self.access_token = ""
        said = Said(answer_id=run.exchange.request_id.replace("-", ""), created=int(run.relay.clock.now().timestamp()))
        self.translation: Translation = translation(
            self.quote.call,
            surface=run.surface,
            channel_type=channel_type,
            model=self.route.model_routed,
            canonical=canonical,
            said=said,
        )
        target = await run.breakable(
            vendors.target(
                channel,
                key=key,
                model=self.route.model_routed,
                request_id=run.exchange.request_id,
                # The client's own, too: the hold counts on it, and few vendors read the client's body.
                output_tokens_max=self.quote.output_limit or self.quote.call.output_tokens_max,
            )
        )
        self.access_token = target.access_token
        request = self.translation.encode(target)
        self._check_tools(channel_type, request, target)
        secrets = (key, target.access_token)
        deadline = asyncio.get_running_loop().time() + vendors.patience_seconds
        while True:
            reply = run.reply = await run.breakable(vendors.send(request, channel.type))
            try:
                following = await self._reply(channel_type, request, reply, target, secrets)
            finally:
                run.reply = None
                await reply.close()
            if following is None:
                return
            request = following
            if asyncio.get_running_loop().time() + request.delay_seconds >= deadline:
                raise VendorError("timeout", vendor_code="first_byte_timeout")
            if request.delay_seconds:
                await run.breakable(asyncio.sleep(request.delay_seconds))

    def _check_tools(self, channel_type: ChannelType, request: VendorRequest, target: Target) -> None:
        """Refuse what the vendor would bill and nobody be charged for; UnsupportedParameterError."""
        call = self.quote.call
        if call.surface not in _WITH_TOOLS:
            return
        asked = hosted_tools(request.body, model=target.model)
        # Of this contract every answer lists its searches.
        searches = channel_type.searches or ("reported" if call.dialect == "responses" else "")
        price = self.route.price or self.quote.price
        refuse_unpaid(asked, price, searches=searches, options=target.options)
        if asked.is_each and searches == "asked":
            self.progress.searches_each = asked.searches

    async def _reply(
        self,
        channel_type: ChannelType,
        request: VendorRequest,
        reply: VendorReply,
        target: Target,
        secrets: tuple[str, ...],
    ) -> VendorRequest | None:
        """Relay an answer, or give the request that comes next where it was only a step."""
        call, dialect = self.quote.call, channel_type.dialect
        self.progress.status = reply.status
        if reply.status >= _ERROR:
            body = await reply.read(ERROR_BYTES_MAX)
            raise dialect.decode_error(reply.status, reply.headers, body, secrets=secrets)
        streams = call.stream if request.streams is None else request.streams
        if streams and is_stream(dialect.framing, reply):
            frames = SPLITTERS[dialect.framing]()
            passes = call.stream or dialect.framing == "raw"
            await (self._stream(reply, frames) if passes else self._collect(reply, frames))
            return None
        body = await reply.read(ANSWER_BYTES_MAX)
        following = dialect.follow(body, request, target)
        if following is None:
            self.progress.first_byte()
            delta = self.translation.read(body, reply.headers)
            self.progress.add(delta)
            if delta.error is not None:
                raise delta.error
            await (self._dribble() if call.stream else self._answer())
        return following

    # ---- Whole answers

    async def _collect(self, reply: VendorReply, frames: _Splitter) -> None:
        """Read a stream to its end for a client that wants one answer."""
        async for chunk in reply.chunks():
            self.progress.first_byte()
            for frame in frames.feed(chunk):
                self._collected(self.translation.frame(frame))
            if self.is_done:
                break
        else:
            for frame in frames.finish():
                self._collected(self.translation.frame(frame))
            self._collected(self.translation.end())
        self._check_end()
        await self._answer()

    def _collected(self, steps: list[Step]) -> None:
        for step in steps:
            self.progress.add(step.delta)
            if step.delta.error is not None:
                raise step.delta.error
            self.is_done = self.is_done or step.delta.is_done

    def _check_end(self) -> None:
        if not self.is_done and self.progress.finish_reason is None:
            # A cut that looks like an end: without an end mark or a reason the answer is not whole.
            raise VendorError("protocol", vendor_code="stream_truncated")
        fault = self.translation.fault()
        if fault is not None:
            raise fault

    async def _answer(self) -> None:
        """Settle, then answer."""
        run, progress = self.run, self.progress
        body, media_type = self.translation.answer(progress.usage()[0])
        command, charged = progress.capture("client_gone" if run.exchange.gone else "completed")
        answer = await run.settle(command)
        run.keep(body, media_type=media_type, usage=progress.usage()[0])
        status = progress.status if self.quote.call.surface == "raw" else _OK
        await run.exchange.answer(status, body, charge_headers(run.exchange, charged, answer), media_type=media_type)

    # ---- Streams

    async def _dribble(self) -> None:
        """Stream an answer that is whole already, in parts."""
        error: VendorError | None = None
        for number, part in enumerate(self.translation.pieces()):
            if number:
                await self._pause(INCREMENT_SECONDS)
            if self.run.is_aborted:
                error = VendorError("connect", vendor_code="broken_off")
                break
            if part:
                await self._send(part)
        await self._end(error)

    async def _stream(self, reply: VendorReply, frames: _Splitter) -> None:
        """Pass the stream on to its end, and settle. VendorError only while the client has had nothing."""
        error: VendorError | None = None
        try:
            async for chunk in reply.chunks():
                self.progress.first_byte()
                await self._pass(frames.feed(chunk))
                if self.is_done:
                    break
            else:
                await self._pass(frames.finish())
                await self._take(self.translation.end())
            self._check_end()
        except VendorError as broken:
            if self.run.has_lost or (not self.run.exchange.started and not self.progress.has_output):
                raise
            error = broken
        await self._end(error)

    async def _pass(self, frames: list[Frame]) -> None:
        steps: list[Step] = []
        for frame in frames:
            steps += self.translation.frame(frame)
            if steps and steps[-1].delta.is_done:
                break
        await self._take(steps)
        if time.monotonic() >= self.checkpoint_at:
            self.checkpoint_at = time.monotonic() + CHECKPOINT_SECONDS
            self.run.checkpoint(self.progress.capture("interrupted")[0])

    async def _take(self, steps: list[Step]) -> None:
        """Send what may go at once, and keep back what waits for the capture."""
        out: list[bytes] = []
        broken: VendorError | None = None
        for delta, data, is_held in steps:
            self.progress.add(delta)
            if delta.error is not None:
                broken = delta.error
                break
            if delta.is_done:
                self.is_done = True
            if is_held:
                self.tail.append(data)
            elif data and (self.run.exchange.started or not delta.usage_only or out):
                # Comments alone do not begin an answer: until then another channel may still be tried.
                out.append(data)
        if out:
            await self._send(b"".join(out))
        if broken is not None:
            raise broken

    async def _send(self, data: bytes) -> None:
        self.run.claim()
        self.run.sent(data)
        await self.run.exchange.stream(data, media_type=self.translation.media_type)

    async def _end(self, error: VendorError | None) -> None:
        """Settle, and send what waited for that."""
        exchange, progress = self.run.exchange, self.progress
        self.broken = error
        charged = await self._settle(error)
        if error is not None:
            # Also when it was us who broke off: what is not whole must not look whole.
            await self._send(self.translation.fail(from_vendor(error)))
        else:
            closing = self.translation.close(progress.usage()[0], charged, is_reported=progress.tally.last is not None)
            last = b"".join([*self.tail, closing])
            self.run.keep_stream(last, charged, media_type=self.translation.media_type, usage=progress.usage()[0])
            await self._send(last)
        await exchange.end()

    async def _settle(self, error: VendorError | None) -> bytes:
        run, progress = self.run, self.progress
        code = code_of(error) if error is not None else ""
        outcome: Outcome = outcome_of(error) if error is not None else "completed"
        if run.interrupted:
            outcome = "interrupted"
        elif run.exchange.gone:
            outcome = "client_gone"
        if error is not None and not progress.has_output:
            # Whatever its vendor reports: the client has had nothing.
            await run.settle(progress.void("vendor_failed", outcome, code=code))
            return charge_words(0, None)
        command, charged = progress.capture(outcome, code=code)
        return charge_words(charged, await run.settle(command))


def _same(request: CanonicalRequest) -> CanonicalRequest:
    return request


def is_stream(framing: Framing, reply: VendorReply) -> bool:
    """Tell a stream from a whole answer that a vendor gave in place of one: an error, or a stream it cannot do."""
    if framing == "whole":
        return False
    if framing == "raw":
        return "text/event-stream" in reply.headers.get("Content-Type", "")
    return framing == "websocket" or "application/json" not in reply.headers.get("Content-Type", "")
