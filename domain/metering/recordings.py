"""How long a recording is, before any vendor has said so: from what its file says of itself, in bounds.

A file's own word is what a decoder goes by, too, but who sends it can forge it: it counts as no shorter than its bytes
are at the highest rate of such files. Read are WAV, MP3, FLAC, Ogg (Opus, Vorbis) and MP4; of others, and of those that
say nothing, the length is a guess from their size. Sources: RFC 3533, 7845 and 9639, ISO 14496-12, ISO 11172-3.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from domain.metering.estimate import AUDIO_BYTES_PER_SECOND, AUDIO_BYTES_PER_SECOND_LEAST
from domain.metering.usage import COUNT_MAX

PACKED_BYTES_PER_SECOND_MOST: Final = 40_000
"""MP3 at its best."""
LOSSLESS_BYTES_PER_SECOND_MOST: Final = 1_200_000
"""Two channels of 24 bits at 192 kHz."""
_KBITS_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KBITS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
"""Of MP3's versions 1 and 2 (and 2.5), by index."""
_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MPEG_1: Final = 3
_LAYER_3: Final = 1
_OPUS_RATE: Final = 48_000
_PAGE_BYTES_MAX: Final = 65_307
_BOXES_MAX: Final = 64


class Length(NamedTuple):
    """In milliseconds."""

    likely: int
    most: int


def length_of(content: bytes) -> Length:
    """Give how long a recording likely is, and at most; never fails, whatever the bytes are."""
    most = _at(content, AUDIO_BYTES_PER_SECOND_LEAST)
    if content[:4] == b"RIFF" and content[8:16] == b"WAVEfmt ":
        known = _at(content, max(AUDIO_BYTES_PER_SECOND_LEAST, int.from_bytes(content[28:32], "little")))
        return Length(known, known)
    if content[:4] == b"fLaC":
        return _bounded(content, _flac(content), LOSSLESS_BYTES_PER_SECOND_MOST)
    stated = _ogg(content) if content[:4] == b"OggS" else _mp4(content) if content[4:8] == b"ftyp" else _mp3(content)
    if stated is None:
        return Length(_at(content, AUDIO_BYTES_PER_SECOND), most)
    return _bounded(content, stated, PACKED_BYTES_PER_SECOND_MOST)


def _at(content: bytes, bytes_per_second: int) -> int:
    return min(-(-len(content) * 1000 // bytes_per_second), COUNT_MAX)


def _bounded(content: bytes, stated: int | None, bytes_per_second_most: int) -> Length:
    most = _at(content, AUDIO_BYTES_PER_SECOND_LEAST)
    if stated is None:
        return Length(_at(content, AUDIO_BYTES_PER_SECOND), most)
    likely = min(max(stated, _at(content, bytes_per_second_most)), COUNT_MAX)
    # Silence takes fewer bytes than any rate: then the file's own word is the bound.
    return Length(likely, max(likely, most))


def _milliseconds(samples: int, rate: int) -> int | None:
    return -(-samples * 1000 // rate) if samples > 0 and rate > 0 else None


def _flac(content: bytes) -> int | None:
    """Read STREAMINFO, which is always the first block: 20 bits of rate, 3 and 5 of form, 36 of samples."""
    packed = int.from_bytes(content[18:26], "big")
    return _milliseconds(packed & (2**36 - 1), packed >> 44)


def _ogg(content: bytes) -> int | None:
    """Read the position that the last page says it has come to."""
    rate = _OPUS_RATE
    vorbis = content.find(b"\x01vorbis", 0, 200)
    if vorbis >= 0:
        rate = int.from_bytes(content[vorbis + 12 : vorbis + 16], "little")
    page = content.rfind(b"OggS", max(0, len(content) - _PAGE_BYTES_MAX))
    return _milliseconds(int.from_bytes(content[page + 6 : page + 14], "little", signed=True), rate)


def _mp4(content: bytes) -> int | None:
    """Read the movie's header, wherever it stands."""
    for name, start, end in _boxes(content, 0, len(content)):
        if name != b"moov":
            continue
        for inner, begin, _ in _boxes(content, start, end):
            if inner == b"mvhd":
                is_long = content[begin : begin + 1] == b"\x01"
                place, size = (begin + 20, 8) if is_long else (begin + 12, 4)
                scale = int.from_bytes(content[place : place + 4], "big")
                return _milliseconds(int.from_bytes(content[place + 4 : place + 4 + size], "big"), scale)
    return None


def _boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Give the boxes between two places: their names, and where what is in them begins and ends."""
    for _ in range(_BOXES_MAX):
        size, name, head = int.from_bytes(content[start : start + 4], "big"), content[start + 4 : start + 8], 8
        if size == 1:
            size, head = int.from_bytes(content[start + 8 : start + 16], "big"), 16
        if size == 0:
            size = end - start
        if size < head or start + head > end:
            return
        yield name, start + head, min(start + size, end)
        start += size


def _mp3(content: bytes) -> int | None:
    """Read the first frame: the count of frames that it may hold, else the rate that it is written at."""
    start = 0
    if content[:3] == b"ID3":
        sizes = content[6:10]
        start = 10 + sum((byte & 0x7F) << (21 - 7 * place) for place, byte in enumerate(sizes))
    head = int.from_bytes(content[start : start + 4], "big")
    version, layer = head >> 19 & 3, head >> 17 & 3
    index, rate = head >> 12 & 15, head >> 10 & 3
    if len(content) < start + 4 or head >> 21 != 0x7FF or version not in _RATES or layer != _LAYER_3 or rate > 2:  # noqa: PLR2004 -- the index that is none
        return None
    kbits = (_KBITS_1 if version == _MPEG_1 else _KBITS_2)[index]
    if not kbits:
        return None
    tag = next((at for at in (content.find(word, start, start + 200) for word in (b"Xing", b"Info")) if at >= 0), -1)
    if tag >= 0 and content[tag + 7 : tag + 8] and content[tag + 7] & 1:
        samples = 1152 if version == _MPEG_1 else 576
        return _milliseconds(int.from_bytes(content[tag + 8 : tag + 12], "big") * samples, _RATES[version][rate])
    return -(-(len(content) - start) * 8 // kbits)
