"""The pace of an answer whose vendor gives it as a whole, for a client that streams: its pauses are told."""

import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import msgspec

from adapters.channel_types import TYPES
from app.relay.attempt import Attempt
from app.relay.surfaces import SURFACES
from app.relay.vendors import Vendors
from domain.admin.entities import Channel
from domain.ids import EntityId
from domain.ledger.commands import Command
from domain.metering.usage import TokenUsage
from domain.pricing.rate_card import ModelPrice
from domain.relay.assemble import INCREMENT_CHARACTERS
from domain.relay.call import Call
from domain.relay.delta import UsageTally
from domain.relay.ports import Timeouts, VendorRequest

PARTS = ("a" * INCREMENT_CHARACTERS, "b" * INCREMENT_CHARACTERS, "c" * 7)
ANSWER = json.dumps({"translations": [{"text": "".join(PARTS), "billed_characters": 9}]}).encode()
ASKED = {"model": "deepl-en", "stream": True, "messages": [{"role": "user", "content": "Guten Tag"}]}


class Reply:
    """The vendor's whole answer."""

    status = 200
    headers = {"Content-Type": "application/json"}  # noqa: RUF012  # read only

    async def read(self, _: int) -> bytes:
        return ANSWER

    async def close(self) -> None:
        return None


class Relayed:
    """An attempt between a client that streams and DeepL, which cannot; `log` has what went out and each pause."""

    def __init__(self, *, pauses: int = 100) -> None:
        self.log: list[str | float] = []
        self._pauses = pauses
        """After how many the process breaks off."""
        call = Call(surface="chat", model="deepl-en", stream=True, body=json.dumps(ASKED).encode())
        surface = SURFACES["openai"]
        vendors = Vendors(TYPES, {"https": self}, Timeouts(), now=lambda: dt.datetime.now(dt.UTC))  # type: ignore[dict-item]  # all that is asked of a transport
        line: Any = SimpleNamespace(
            relay=SimpleNamespace(vendors=vendors, clock=SimpleNamespace(now=lambda: dt.datetime.now(dt.UTC))),
            exchange=SimpleNamespace(request_id="r-1", started=False, gone=False, stream=self._out, end=self._end),
            surface=surface,
            canonical=lambda: surface.canonical(call),
            key=SimpleNamespace(is_readable=True, secret="key"),
            is_aborted=False,
            interrupted=False,
            breakable=lambda step: step,
            claim=lambda: None,
            sent=lambda _: None,
            keep_stream=lambda *_, **__: None,
            settle=self._settle,
        )
        self._line = line
        progress: Any = SimpleNamespace(
            tally=UsageTally(),
            add=lambda _: None,
            first_byte=lambda: None,
            usage=lambda: (TokenUsage(), "vendor"),
            capture=lambda *_, **__: (None, 0),
            has_output=True,
        )
        channel = Channel(channel_id=EntityId("c-1"), name="DeepL", type="deepl")
        route: Any = SimpleNamespace(channel=channel, model_routed="deepl-en", price=ModelPrice())
        quote: Any = SimpleNamespace(call=call, output_limit=None)
        self.attempt = Attempt(line, quote, route, progress, pause=self._pause)

    async def send(self, _: VendorRequest) -> Reply:
        return Reply()

    async def _pause(self, seconds: float) -> None:
        self.log.append(seconds)
        self._pauses -= 1
        self._line.is_aborted = self._pauses == 0

    async def _out(self, data: bytes, *, media_type: str) -> None:
        assert media_type.startswith("text/event-stream")
        for line in data.decode().splitlines():
            if not line.startswith("data: {"):
                self.log += [line] if line else []
                continue
            chunk = msgspec.json.decode(line.removeprefix("data: "))
            if "error" in chunk:
                self.log.append("error")
            for choice in chunk.get("choices", ()):
                self.log.append(choice["delta"].get("content") or str(choice["finish_reason"]))

    async def _end(self) -> None:
        self.log.append("end")

    async def _settle(self, _: Command) -> None:
        self.log.append("settled")


async def test_an_answer_that_came_whole_is_streamed_in_increments_200_milliseconds_apart() -> None:
    relayed = Relayed()
    await relayed.attempt.call()

    spoken = [each for each in relayed.log if each != "None"]
    first, second, third = PARTS
    assert spoken[:5] == [first, 0.2, second, 0.2, third]
    assert spoken[5:] == [0.2, "stop", "settled", ": tallygate charge=0", "data: [DONE]", "end"]


async def test_what_breaks_off_between_two_increments_sends_no_more_of_them_and_does_not_look_whole() -> None:
    relayed = Relayed(pauses=2)
    await relayed.attempt.call()

    spoken = [each for each in relayed.log if each != "None"]
    first, second, _ = PARTS
    assert spoken[:4] == [first, 0.2, second, 0.2]
    assert "settled" in spoken
    assert "error" in spoken
    assert not {"stop", PARTS[2]} & set(spoken)
