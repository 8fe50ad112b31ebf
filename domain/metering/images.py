"""What an image costs in tokens: its size, read from the head of the file, and the vendor's published rule.

An image is never tokenized as text. Only as much of a data URL is decoded as holds the size, wherever in the
file that is, so a large photograph costs no more time than a small one.
"""

import binascii
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple

HEAD_BYTES: Final = 32
"""Enough for the size in a PNG, a GIF or a WebP file."""

JPEG_SEGMENTS_MAX: Final = 200
"""Segments looked at before a JPEG's size is given up on; a camera writes about ten."""

_BASE64_GROUP: Final = 4
_BYTES_PER_GROUP: Final = 3

# The markers of a JPEG's frame headers, which carry the size. Within the range, C4, C8 and CC mean other things.
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers without a length: TEM and the restarts.
_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD8)})


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int


class ImageTokens(NamedTuple):
    """The tokens of one image: as the rule gives them, and the most that it can give."""

    tokens: int
    tokens_upper: int


class Tiles(NamedTuple):
    """Tiles of 512 pixels, after the image is fit into 2048 square and its short side brought down to 768.

    OpenAI, "Images and vision", for the models that count tiles; `low` detail is the base alone.
    """

    base: int
    tile: int

    def tokens(self, size: Size) -> int:
        """Give the tokens of an image of this size at high detail."""
        scale = min(Fraction(1), Fraction(2048, max(size)))
        scale = min(scale, Fraction(768, min(size)))
        return self.base + self.tile * ceil(size.width * scale / 512) * ceil(size.height * scale / 512)

    @property
    def most(self) -> int:
        """The tokens of the largest image: 2048 by 768, which is four tiles by two."""
        return self.base + self.tile * 8

    @property
    def low(self) -> int:
        """The tokens of any image at low detail."""
        return self.base


class Patches(NamedTuple):
    """Patches of 32 pixels, at most `patches_max` of them, each worth `per_hundred / 100` tokens.

    OpenAI, "Images and vision", for the small and the later models; detail makes no difference to them.
    """

    per_hundred: int
    patches_max: int

    def tokens(self, size: Size) -> int:
        """Give the tokens of an image of this size; one that has to be shrunk counts as the largest."""
        patches = ceil(Fraction(size.width, 32)) * ceil(Fraction(size.height, 32))
        return self._worth(min(patches, self.patches_max))

    @property
    def most(self) -> int:
        """The tokens of the largest image."""
        return self._worth(self.patches_max)

    @property
    def low(self) -> int:
        """The same as `most`: these models look at every image in full."""
        return self.most

    def _worth(self, patches: int) -> int:
        return ceil(Fraction(patches * self.per_hundred, 100))


class Area(NamedTuple):
    """Width times height over `pixels`, up to a cap: Anthropic, "Vision"."""

    pixels: int
    tokens_max: int

    def tokens(self, size: Size) -> int:
        """Give the tokens of an image of this size."""
        return min(ceil(Fraction(size.width * size.height, self.pixels)), self.tokens_max)

    @property
    def most(self) -> int:
        """The tokens of the largest image."""
        return self.tokens_max

    @property
    def low(self) -> int:
        """The same as `most`: there is no detail to choose."""
        return self.tokens_max


Rule = Tiles | Patches | Area

RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("gpt-4o-mini", Tiles(2833, 5667)),
    ("gpt-4.1-mini", Patches(162, 1536)),
    ("gpt-4.1-nano", Patches(246, 1536)),
    ("o4-mini", Patches(172, 1536)),
    ("codex-mini", Patches(172, 1536)),
    ("gpt-5-mini", Patches(162, 1536)),
    ("gpt-5-nano", Patches(246, 1536)),
    ("gpt-5.", Patches(120, 2500)),
    ("gpt-5", Tiles(70, 140)),
    ("o1", Tiles(75, 150)),
    ("o3", Tiles(75, 150)),
    ("claude", Area(750, 4784)),
)
"""Rules by the beginning of a model's name; the first that fits counts."""

GENERAL_RULE: Final[Rule] = Tiles(85, 170)
"""GPT-4o, GPT-4.1, GPT-4.5 and GPT-4 Turbo; and, for want of a better one, every vendor that publishes none."""


def rule_for(model: str) -> Rule:
    """Give the rule of a model by its name; a vendor's prefix as in "openai/gpt-4o" is not part of the name."""
    name = model.rpartition("/")[2].lower()
    return next((rule for prefix, rule in RULES if name.startswith(prefix)), GENERAL_RULE)


def image_tokens(url: str, detail: str, model: str) -> ImageTokens:
    """Give the tokens of an image by its URL, the detail asked for, and the model that looks at it.

    A remote image, or one whose size cannot be read, is taken for the largest there can be. `auto` may mean
    either detail, so it counts as `high`.
    """
    rule = rule_for(model)
    if detail == "low":
        return ImageTokens(rule.low, rule.low)
    size = data_url_size(url)
    if size is None:
        return ImageTokens(rule.most, rule.most)
    tokens = rule.tokens(size)
    return ImageTokens(tokens, tokens)


def data_url_size(url: str) -> Size | None:
    """Give the size of a PNG, JPEG, GIF or WebP image in a base64 data URL; None if it cannot be told."""
    if not url.startswith("data:"):
        return None
    comma = url.find(",", 0, 256)
    if comma < 0 or ";base64" not in url[:comma]:
        return None
    return _size(Base64Window(url, comma + 1))


class Base64Window:
    """Random access to the bytes behind a base64 text, decoding only the groups that are asked for."""

    def __init__(self, text: str, start: int = 0) -> None:
        """Take a text and where in it the base64 begins."""
        self._text = text
        self._start = start

    @property
    def length(self) -> int:
        """Bytes in all, give or take the padding."""
        return (len(self._text) - self._start) * _BYTES_PER_GROUP // _BASE64_GROUP

    def read(self, offset: int, length: int) -> bytes:
        """Give the bytes from an offset on; fewer where the text ends or is not base64."""
        first = offset // _BYTES_PER_GROUP
        last = (offset + length + _BYTES_PER_GROUP - 1) // _BYTES_PER_GROUP
        groups = self._text[self._start + first * _BASE64_GROUP : self._start + last * _BASE64_GROUP]
        try:
            # Not ASCII is a ValueError as well, and binascii.Error is one of its kind.
            decoded = binascii.a2b_base64(groups, strict_mode=True) if groups else b""
        except ValueError:
            return b""
        skipped = offset - first * _BYTES_PER_GROUP
        return decoded[skipped : skipped + length]


def _size(file: Base64Window) -> Size | None:
    head = file.read(0, HEAD_BYTES)
    size = None
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:  # noqa: PLR2004 -- the end of IHDR's height
        size = Size(int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
    elif head.startswith((b"GIF87a", b"GIF89a")):
        size = Size(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        size = _webp_size(head)
    elif head.startswith(b"\xff\xd8"):
        size = _jpeg_size(file)
    # A side of zero is a file that no decoder opens, or one cut short.
    return size if size is not None and min(size) > 0 else None


def _webp_size(head: bytes) -> Size | None:
    if len(head) < 30:  # noqa: PLR2004 -- where the last of the three layouts ends
        return None
    match head[12:16]:
        case b"VP8 ":
            width, height = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
            return Size(width & 0x3FFF, height & 0x3FFF)
        case b"VP8L":
            packed = int.from_bytes(head[21:25], "little")
            return Size((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
        case b"VP8X":
            return Size(int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1)
        case _:
            return None


def _jpeg_size(file: Base64Window) -> Size | None:
    """Walk the segments, each of which says how long it is, to the frame header."""
    offset = 2
    for _ in range(JPEG_SEGMENTS_MAX):
        segment = file.read(offset, 9)
        if len(segment) < 9 or segment[0] != 0xFF:  # noqa: PLR2004 -- marker, length, precision, height, width
            return None
        marker = segment[1]
        if marker == 0xFF:  # noqa: PLR2004 -- a fill byte: any number of them may precede a marker
            offset += 1
        elif marker in _BARE_MARKERS:
            offset += 2
        elif marker in _FRAME_MARKERS:
            return Size(int.from_bytes(segment[7:9], "big"), int.from_bytes(segment[5:7], "big"))
        else:
            offset += 2 + int.from_bytes(segment[2:4], "big")
    return None
