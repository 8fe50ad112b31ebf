"""What the tests of dialects and surfaces share: a target, reading streams, and odd things that vendors could send."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
from hypothesis import strategies as st

from adapters.sse import SseSplitter
from domain.metering.usage import TokenUsage
from domain.relay.assemble import Assembler
from domain.relay.call import Call
from domain.relay.delta import Delta, UsageTally
from domain.relay.dialect import Frame, Said, StreamDecoder, Target, VendorDialect

SAID = Said(answer_id="0" * 32, created=1_700_000_000)
NOW = dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC)


def target(model: str, **members: Any) -> Target:
    """Give a target at the moment of the signature vectors."""
    given: dict[str, Any] = {"base_url": "https://vendor.test", "key": "vendor-key", **members}
    return Target(model=model, now=NOW, request_id="018f0000-0000-7000-8000-000000000001", **given)


def body_of(sent: Any) -> Any:
    """Give a request's body, decoded."""
    return msgspec.json.decode(sent.body)


class Splitter(Protocol):
    def feed(self, chunk: bytes) -> list[Frame]: ...
    def finish(self) -> list[Frame]: ...


def frames_of(chunks: Iterable[bytes], splitter: Callable[[], Splitter] = SseSplitter) -> list[Frame]:
    """Cut a stream into its frames."""
    cutter = splitter()
    frames = [frame for chunk in chunks for frame in cutter.feed(chunk)]
    return [*frames, *cutter.finish()]


def read_frames(decoder: StreamDecoder, frames: Iterable[Frame]) -> list[Delta]:
    """Read frames to their end."""
    deltas = [delta for frame in frames for delta in decoder.feed(frame)]
    return [*deltas, *decoder.finish()]


def read_stream(
    dialect: VendorDialect, call: Call, stream: bytes, splitter: Callable[[], Splitter] = SseSplitter
) -> list[Delta]:
    """Read a stream to its end."""
    return read_frames(dialect.decoder(call), frames_of([stream], splitter))


def joined(deltas: Iterable[Delta]) -> Delta:
    """Give what deltas say as one."""
    assembler = Assembler()
    for delta in deltas:
        assembler.add(delta)
    return assembler.whole()


def tally_of(deltas: Iterable[Delta]) -> UsageTally:
    """Give what was reported as used."""
    tally = UsageTally()
    for delta in deltas:
        tally.add(delta.report)
    return tally


def classes(usage: TokenUsage | None) -> Mapping[str, int]:
    """Give the token classes that are not zero."""
    if usage is None:
        return {}
    return {name: count for name, count in msgspec.to_builtins(usage).items() if name.endswith("tokens") and count}


def split_everywhere(stream: bytes, splitter: Callable[[], Splitter] = SseSplitter) -> None:
    """Assert that the frames are the same wherever the stream is cut."""
    whole = frames_of([stream], splitter)
    assert frames_of([bytes((byte,)) for byte in stream], splitter) == whole
    for cut in range(len(stream) + 1):
        assert frames_of([stream[:cut], stream[cut:]], splitter) == whole, cut


def odd_json(names: Iterable[str]) -> st.SearchStrategy[Any]:
    """Give JSON with a vendor's own member names in wrong places, with wrong types and huge numbers."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-(10**25), 10**25)
        | st.floats(allow_nan=False)
        | st.text(max_size=8)
        | st.sampled_from(sorted(names))
    )
    return st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(sorted(names)) | st.text(max_size=4), inner, max_size=6)
        ),
        max_leaves=20,
    )
