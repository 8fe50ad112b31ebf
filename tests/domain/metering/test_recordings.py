"""Lengths of recordings, from heads of files written by hand."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metering.recordings import Length, length_of

MP3_128 = b"\xff\xfb\x90\x00"
"""The head of a frame: version 1, layer 3, 128 kbit/s, 44.1 kHz."""
MP3_32_OLD = b"\xff\xf3\x40\x00"
"""The same of version 2: 32 kbit/s, 22.05 kHz."""


def id3(size: int) -> bytes:
    return b"ID3\x04\x00\x00" + bytes((size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127)) + bytes(size)


def flac(samples: int, rate: int) -> bytes:
    return b"fLaC\x80\x00\x00\x22" + bytes(10) + (rate << 44 | samples).to_bytes(8, "big") + bytes(16)


def ogg(first: bytes, position: int, body: int) -> bytes:
    page = b"OggS\x00\x04" + struct.pack("<q", position) + bytes(13)
    return b"OggS\x00\x02" + bytes(21) + first + bytes(body) + page + bytes(100)


def box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content


def mp4(duration: int, scale: int, body: int) -> bytes:
    head = box(b"mvhd", bytes(12) + scale.to_bytes(4, "big") + duration.to_bytes(4, "big"))
    return box(b"ftyp", b"M4A ") + box(b"mdat", bytes(body)) + box(b"moov", box(b"trak", b"") + head)


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (b"", Length(0, 0)),
        # Nothing is known: 16,000 bytes a second, 1,000 at most.
        (b"\x1aE\xdf\xa3" + bytes(31_996), Length(2_000, 32_000)),
        (MP3_128 + bytes(31_996), Length(2_000, 32_000)),
        (id3(300) + MP3_128 + bytes(31_996), Length(2_000, 32_310)),
        (MP3_32_OLD + bytes(7_996), Length(2_000, 8_000)),
        # 100 frames of 1,152 samples at 44.1 kHz, whatever the rate of the first.
        (MP3_128 + bytes(32) + b"Xing\x00\x00\x00\x01\x00\x00\x00\x64" + bytes(20_000), Length(2_613, 20_048)),
        (flac(88_200, 44_100) + bytes(200_000), Length(2_000, 200_042)),
        (ogg(b"OpusHead", 96_000, 6_000), Length(2_000, 6_162)),
        (ogg(b"\x01vorbis" + bytes(5) + (44_100).to_bytes(4, "little"), 88_200, 6_000), Length(2_000, 6_170)),
        (mp4(2_000_000, 1_000_000, 8_000), Length(2_000, 8_064)),
        # An hour of silence in few bytes is an hour.
        (ogg(b"OpusHead", 48_000 * 3_600, 6_000), Length(3_600_000, 3_600_000)),
        # A forged length is no shorter than the bytes are at the highest rate.
        (mp4(1, 1_000, 80_000), Length(2_002, 80_064)),
        (flac(1, 44_100) + bytes(1_200_000), Length(1_001, 1_200_042)),
        (mp4(2_000, 0, 16_000), Length(1_004, 16_064)),
    ],
)
def test_a_recording_is_as_long_as_its_file_says_in_bounds(content: bytes, length: Length) -> None:
    assert length_of(content) == length


@given(st.binary(max_size=400), st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS", b"\0\0\0\x18ftyp", b"ID3", MP3_128]))
def test_whatever_the_bytes_are_a_length_comes_of_them(tail: bytes, head: bytes) -> None:
    likely, most = length_of(head + tail)

    assert 0 <= likely <= most
