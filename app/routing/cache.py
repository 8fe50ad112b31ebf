"""Answers given again to the very same request: opt-in per token, within a tenant, bounded in memory, per process."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from domain.ids import TenantId
from domain.metering.usage import TokenUsage
from domain.relay.call import Call

_ENTRY_PART: Final = 16
"""An answer that would take more than this part of the room is not kept."""
_OVERHEAD_BYTES: Final = 1_000


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    body: bytes
    media_type: str
    usage: TokenUsage
    model_routed: str
    channel_id: str
    kept_at: float


class Wish(msgspec.Struct, frozen=True):
    """What a client's Cache-Control allows."""

    may_read: bool = True
    may_keep: bool = True
    age_seconds_max: float | None = None


ANY: Final = Wish()


def wish_of(cache_control: bytes | None) -> Wish:
    """Read a request's Cache-Control: `no-store`, `no-cache` and `max-age`; what cannot be read is left out."""
    if not cache_control:
        return ANY
    words = [word.strip().lower() for word in cache_control.decode("latin-1").split(",")]
    ages = [word[8:].strip('"') for word in words if word.startswith("max-age=")]
    age = float(ages[0]) if ages and ages[0].isascii() and ages[0].isdigit() else None
    store = "no-store" not in words
    return Wish(may_read=store and "no-cache" not in words and age != 0, may_keep=store, age_seconds_max=age)


class AnswerCache:
    """The answers of one process, the one that was not asked for the longest going first."""

    def __init__(self, bytes_max: int, clock: Callable[[], float]) -> None:
        """Take the room for all answers, and a clock in seconds that never goes back."""
        self._bytes_max = bytes_max
        self._clock = clock
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self.bytes = 0

    @staticmethod
    def key(tenant_id: TenantId, call: Call, *, form: str = "") -> bytes:
        """Give the key of a request: its tenant, its contract and every byte of it.

        Gemini's paths say what the body does not: the model, and whether and in which `form` the answer streams.
        """
        headers = sorted(f"{name}={value}" for name, value in call.headers.items())
        told = (call.surface, call.dialect, call.model, call.content_type, str(call.stream), form, *headers)
        words = (str(tenant_id), *told)
        return hashlib.blake2b("\x00".join(words).encode() + b"\x00" + call.body, digest_size=20).digest()

    def get(self, key: bytes, *, seconds: int, wish: Wish = ANY) -> Kept | None:
        """Give an answer that is no older than the token and the client allow."""
        kept = self._kept.get(key)
        if kept is None or not wish.may_read:
            return None
        age = self._clock() - kept.kept_at
        if age > seconds or (wish.age_seconds_max is not None and age > wish.age_seconds_max):
            return None
        self._kept.move_to_end(key)
        return kept

    def put(
        self, key: bytes, body: bytes, *, media_type: str, usage: TokenUsage, model_routed: str, channel_id: str
    ) -> None:
        """Keep an answer, unless it takes too much of the room."""
        if len(body) + _OVERHEAD_BYTES > self._bytes_max // _ENTRY_PART:
            return
        before = self._kept.pop(key, None)
        if before is not None:
            self.bytes -= _size(before)
        kept = Kept(
            body=body,
            media_type=media_type,
            usage=usage,
            model_routed=model_routed,
            channel_id=channel_id,
            kept_at=self._clock(),
        )
        self._kept[key] = kept
        self.bytes += _size(kept)
        while self.bytes > self._bytes_max:
            self.bytes -= _size(self._kept.popitem(last=False)[1])


def _size(kept: Kept) -> int:
    return len(kept.body) + _OVERHEAD_BYTES
