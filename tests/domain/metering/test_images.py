import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metering.images import Base64Window, Size, data_url_size, image_tokens, rule_for


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 6, 0, 0, 0) + b"rest" * 9


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\xf7\x00\x00" + b"rest" * 9


def jpeg(width: int, height: int, before: bytes = b"") -> bytes:
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\x01\x22\x00\x02\x11\x01\x03\x11\x01"
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + before + frame + b"rest" * 9


def webp_lossy(width: int, height: int) -> bytes:
    head = b"RIFF\x00\x00\x00\x00WEBPVP8 " + b"\x00" * 7 + b"\x9d\x01\x2a"
    return head + struct.pack("<HH", width, height) + b"rest" * 9


def webp_lossless(width: int, height: int) -> bytes:
    packed = (width - 1) | (height - 1) << 14
    return b"RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f" + struct.pack("<I", packed) + b"rest" * 9


def webp_extended(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00" + sides + b"rest" * 9


def data_url(image: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(image).decode()}"


@pytest.mark.parametrize("make", [png, gif, jpeg, webp_lossy, webp_lossless, webp_extended])
@given(st.integers(1, 16383), st.integers(1, 16383))
def test_the_size_is_read_from_the_head(make: object, width: int, height: int) -> None:
    assert callable(make)
    assert data_url_size(data_url(make(width, height))) == Size(width, height)


def test_the_size_of_a_jpeg_is_found_behind_large_metadata_without_decoding_it() -> None:
    metadata = b"\xff\xe1\xff\xff" + b"\xff\xc0 not a frame " * 4400
    photo = jpeg(4032, 3024, before=metadata[: 2 + 0xFFFF] * 3 + b"\xff\xff\xff\xfe\x00\x04hi")

    assert data_url_size(data_url(photo)) == Size(4032, 3024)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/cat.png",
        "data:image/png,not-base64",
        "data:image/png;base64,",
        "data:image/png;base64,????",
        "data:image/png;base64,żółw",
        "data:image/svg+xml;base64,PHN2Zy8+",
        data_url(b"\x89PNG\r\n\x1a\n"),
        data_url(png(0, 10)),
        data_url(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 300),
        data_url(b"\xff\xd8\xff\xe0\x00\x00"),
        data_url(b"RIFF\x00\x00\x00\x00WEBPVP9 " + b"\x00" * 20),
    ],
)
def test_a_size_that_cannot_be_read_is_not_guessed(url: str) -> None:
    assert data_url_size(url) is None


@given(st.binary(max_size=200))
def test_no_bytes_at_all_upset_the_reader(noise: bytes) -> None:
    for head in (b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF1234WEBPVP8X", b"GIF89a"):
        size = data_url_size(data_url(head + noise))
        assert size is None or min(size) > 0


@given(st.binary(max_size=100), st.integers(0, 120), st.integers(0, 40))
def test_a_window_on_base64_reads_the_bytes_behind_it(data: bytes, offset: int, length: int) -> None:
    file = Base64Window("prefix," + base64.b64encode(data).decode(), 7)

    assert file.read(offset, length) == data[offset : offset + length]
    assert 0 <= file.length - len(data) <= 2


@pytest.mark.parametrize(
    ("size", "detail", "model", "tokens"),
    [
        # The examples of OpenAI's guide.
        ((1024, 1024), "high", "gpt-4o", 765),
        ((2048, 4096), "high", "gpt-4o", 1105),
        ((4096, 8192), "low", "gpt-4o", 85),
        ((1024, 1024), "high", "gpt-4.1-mini", 1659),
        # An image smaller than a tile is not enlarged.
        ((128, 64), "high", "gpt-4o", 255),
        ((512, 512), "auto", "gpt-4o", 255),
        ((513, 512), "auto", "gpt-4o", 425),
        ((1024, 1024), "high", "gpt-4o-mini", 25501),
        ((10, 10), "low", "gpt-4o-mini", 2833),
        ((1024, 1024), "high", "o1", 675),
        ((1024, 1024), "high", "gpt-5", 630),
        ((16383, 16383), "high", "gpt-4o", 765),
        ((16383, 1), "high", "gpt-4o", 765),
        ((1, 1), "high", "openai/gpt-4.1-nano", 3),
        ((4032, 3024), "high", "gpt-4.1-nano", 3779),
        ((1000, 1000), "high", "claude-sonnet-4-5", 1334),
        ((8000, 8000), "high", "claude-opus-4-7", 4784),
    ],
)
def test_an_image_costs_what_the_published_rule_says(
    size: tuple[int, int], detail: str, model: str, tokens: int
) -> None:
    assert image_tokens(data_url(png(*size)), detail, model).tokens == tokens


@pytest.mark.parametrize(
    ("model", "most"), [("gpt-4o", 1445), ("gpt-4o-mini", 48169), ("gpt-4.1-mini", 2489), ("mystery", 1445)]
)
def test_an_image_elsewhere_counts_as_the_largest(model: str, most: int) -> None:
    assert image_tokens("https://example.com/cat.png", "auto", model) == (most, most)
    assert image_tokens("https://example.com/cat.png", "", model) == (most, most)


@given(
    st.integers(1, 20000),
    st.integers(1, 20000),
    st.sampled_from(["gpt-4o", "gpt-4o-mini", "gpt-4.1-nano", "claude-x", "o3", "gpt-5.2"]),
)
def test_no_image_costs_more_than_the_most(width: int, height: int, model: str) -> None:
    rule = rule_for(model)

    assert 0 < rule.tokens(Size(width, height)) <= rule.most
