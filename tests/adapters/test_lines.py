from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.lines import LineSplitter, WholeMessages
from domain.relay.dialect import Frame
from domain.relay.vendor_errors import VendorError

BODY = '{"a":"é"}\n\n{"b":1}\r\n  \n{"c":2}'.encode()
FRAMES = [Frame(line, line + b"\n") for line in ('{"a":"é"}'.encode(), b'{"b":1}', b'{"c":2}')]


@given(st.lists(st.integers(0, len(BODY)), max_size=6))
def test_any_split_of_a_body_gives_the_same_lines(cuts: list[int]) -> None:
    splitter = LineSplitter()
    places = [0, *sorted(cuts), len(BODY)]
    frames: list[Frame] = []
    for start, end in pairwise(places):
        frames += splitter.feed(BODY[start:end])

    assert frames + splitter.finish() == FRAMES


def test_a_line_longer_than_the_limit_is_refused_and_not_kept() -> None:
    splitter = LineSplitter(line_bytes_max=8)

    with pytest.raises(VendorError) as refused:
        splitter.feed(b"123456789")
    assert refused.value.vendor_code == "frame_too_large"
    assert splitter.feed(b"{}\n") == [Frame(b"{}", b"{}\n")]


def test_messages_are_frames_as_they_are() -> None:
    messages = WholeMessages()

    assert messages.feed(b"a\nb") == [Frame(b"a\nb", b"a\nb")]
    assert messages.feed(b"") == []
    assert messages.finish() == []
