import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sse import SseSplitter
from domain.relay.dialect import Frame
from domain.relay.vendor_errors import VendorError


def _frames(*pieces: bytes, frame_bytes_max: int = 1024 * 1024) -> list[Frame]:
    splitter = SseSplitter(frame_bytes_max=frame_bytes_max)
    return [frame for piece in pieces for frame in splitter.feed(piece)] + splitter.finish()


def _data(*pieces: bytes) -> list[bytes]:
    return [frame.data for frame in _frames(*pieces)]


@pytest.mark.parametrize(
    ("stream", "want"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"event: x\nid: 1\ndata: a\n\n", [b"a"]),
        (b"\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b": ping\n\ndata: a\n\n", [b"", b"a"]),
        (b": ping\ndata: a\n\n", [b"a"]),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"data: a\r", [b"a"]),
        (b'{"error":\n {"message":"x"}}', [b'{"error":\n {"message":"x"}}']),
        (b"", []),
    ],
)
def test_streams_are_cut_into_events_however_they_are_split(stream: bytes, want: list[bytes]) -> None:
    assert _data(stream) == want
    assert _data(*(bytes((byte,)) for byte in stream)) == want
    for cut in range(len(stream)):
        assert _data(stream[:cut], stream[cut:]) == want, cut


def test_event_names_are_kept() -> None:
    assert _frames(b"event: message_stop\ndata: {}\n\n")[0].event == b"message_stop"


def test_raw_is_the_vendors_own_bytes() -> None:
    stream = b'data: {"a":1}\n\n: ping\n\nevent: x\ndata: b\n\n'

    assert b"".join(frame.raw for frame in _frames(stream)) == stream
    assert b"".join(frame.raw for frame in _frames(stream[:7], stream[7:])) == stream


def test_character_split_between_chunks_survives() -> None:
    stream = "data: wörld €\n\n".encode()
    for cut in range(len(stream)):
        assert _data(stream[:cut], stream[cut:]) == ["wörld €".encode()]


_LINE = st.sampled_from(
    [b"data: a", b"data:", b"data: \xc3\xb6", b": c", b"event: e", b"id", b"", b"{", b"\xef\xbb\xbf"]
)
_END = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n"])


@given(st.lists(st.tuples(_LINE, _END)), st.lists(st.integers(0, 200)))
def test_the_fast_path_and_every_split_agree(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(line + end for line, end in lines)
    marks = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in pairwise(marks)]

    assert _data(*pieces) == _data(*(bytes((byte,)) for byte in stream))


@given(st.lists(st.binary(max_size=50)))
def test_any_bytes_are_split_without_an_exception(pieces: list[bytes]) -> None:
    _frames(*pieces)


@pytest.mark.parametrize(
    "stream", [b"data: " + b"x" * 200, b"data: " + b"x" * 200 + b"\n\n", b"data: x\n" * 40, b"data: x\r" * 40]
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frame_beyond_the_limit_is_a_protocol_error(stream: bytes, size: int) -> None:
    with pytest.raises(VendorError) as caught:
        _frames(*(stream[at : at + size] for at in range(0, len(stream), size)), frame_bytes_max=100)

    assert (caught.value.kind, caught.value.vendor_code) == ("protocol", "frame_too_large")


def test_many_frames_in_one_chunk_may_exceed_the_limit_together() -> None:
    assert len(_frames(b"data: x\n\n" * 50, frame_bytes_max=100)) == 50


def test_line_of_ten_megabytes_passes_in_linear_time() -> None:
    stream = b"data: " + b"x" * (10 * 1024 * 1024) + b"\n\n"
    started = time.perf_counter()
    splitter = SseSplitter()
    frames = [frame for at in range(0, len(stream), 4096) for frame in splitter.feed(stream[at : at + 4096])]

    assert [len(frame.data) for frame in frames] == [10 * 1024 * 1024]
    # Copying what is held at each of the 2560 chunks would move 13 GB and take seconds.
    assert time.perf_counter() - started < 1
