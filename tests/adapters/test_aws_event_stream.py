"""Frames of AWS's binary streams; the vectors were decoded by botocore 1.44.5."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.aws_event_stream import AwsEventSplitter
from domain.relay.vendor_errors import VendorError
from tests.support.aws_frames import event, exception, message
from tests.support.dialects import frames_of, split_everywhere

DELTA = bytes.fromhex(
    "0000009400000057b4ab9aee0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d"
    "747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74"
    "426c6f636b496e646578223a302c2264656c7461223a7b2274657874223a224869227d7d1f944657"
)
STOP = bytes.fromhex(
    "0000007a00000051ca2c46650b3a6576656e742d7479706507000b6d65737361676553746f700d3a636f6e74656e742d747970650700"
    "106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b2273746f70526561736f6e223a22"
    "656e645f7475726e227d5fbf09fc"
)
THROTTLED = bytes.fromhex(
    "0000008800000061de0175f40f3a657863657074696f6e2d747970650700137468726f74746c696e67457863657074696f6e0d3a636f"
    "6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070009657863657074696f"
    "6e7b226d657373616765223a22736c6f7720646f776e227d832ee072"
)


def test_vectors_are_cut_and_named() -> None:
    frames = frames_of([DELTA + STOP + THROTTLED], AwsEventSplitter)

    assert [(frame.event, frame.data) for frame in frames] == [
        (b"contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hi"}}'),
        (b"messageStop", b'{"stopReason":"end_turn"}'),
        (b"throttlingException", b'{"message":"slow down"}'),
    ]
    assert b"".join(frame.raw for frame in frames) == DELTA + STOP + THROTTLED


def test_our_own_frames_are_made_like_the_vectors() -> None:
    assert event("messageStop", stopReason="end_turn") == STOP
    assert exception("throttlingException", "slow down") == THROTTLED


def test_error_without_a_payload_is_named_like_an_exception() -> None:
    raw = message({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "oops"}, b"")

    (frame,) = frames_of([raw], AwsEventSplitter)

    assert (frame.event, frame.data) == (b"InternalFailureException", b'{"message":"oops"}')


def test_any_split_gives_the_same_frames() -> None:
    split_everywhere(DELTA + STOP + THROTTLED, AwsEventSplitter)


def test_message_that_is_not_whole_is_none() -> None:
    assert [frame.event for frame in frames_of([STOP + DELTA[:-1]], AwsEventSplitter)] == [b"messageStop"]


@pytest.mark.parametrize("place", [0, 5, 9, 13, 60, len(STOP) - 1])
def test_changed_byte_is_found(place: int) -> None:
    broken = bytearray(STOP)
    broken[place] ^= 0x01

    try:
        frames = frames_of([bytes(broken), STOP, STOP * 200_000 if place == 0 else b""], AwsEventSplitter)
    except VendorError as error:
        assert error.kind == "protocol"  # noqa: PT017 - a length that has grown may also wait for more
    else:
        assert not any(frame.raw == STOP for frame in frames[:1])


def test_length_beyond_belief_is_refused_before_it_is_held() -> None:
    splitter = AwsEventSplitter(frame_bytes_max=1_000)

    with pytest.raises(VendorError, match="could not be understood") as caught:
        splitter.feed(struct.pack("!I", 1_001))
    assert caught.value.vendor_code == "frame_too_large"
    with pytest.raises(VendorError):
        AwsEventSplitter().feed(b'{"message":"no stream"}')


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(0, len(DELTA)))
def test_random_bytes_give_frames_or_our_own_error(chunks: list[bytes], cut: int) -> None:
    for stream in (chunks, [DELTA[:cut], *chunks], [DELTA, *chunks, DELTA[cut:]]):
        try:
            frames_of(stream, AwsEventSplitter)
        except VendorError as error:
            assert error.kind == "protocol"  # noqa: PT017 - either outcome is right, another exception is not


@settings(max_examples=200)
@given(st.binary(max_size=60), st.binary(max_size=40))
def test_odd_headers_with_right_sums_raise_nothing_else(head: bytes, payload: bytes) -> None:
    import zlib  # noqa: PLC0415 - only this test makes sums by itself

    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    try:
        frames_of([body + struct.pack("!I", zlib.crc32(body))], AwsEventSplitter)
    except VendorError as error:
        assert error.kind == "protocol"  # noqa: PT017 - either outcome is right, another exception is not
