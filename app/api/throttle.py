"""Limits of the REST API itself, kept in this process.

With several processes or nodes each counts for itself, so the bound is theirs together: what these limits are for,
guessing passwords and flooding, is slowed down as well by a few times the rate. Nothing about money relies on them.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from app.api.problems import ApiError

_ENTRIES_MAX: Final = 10_000


class _Failures(msgspec.Struct):
    count: int = 0
    last: float = 0.0
    until: float = 0.0


class FailureThrottle:
    """Makes whoever fails wait: from some failure on 1 s, then 2, 4, ... up to 15 minutes; forgets after as long."""

    def __init__(
        self, clock: Callable[[], float], *, free: int = 3, first_seconds: float = 1.0, last_seconds: float = 900.0
    ) -> None:
        """Take a monotonic clock in seconds."""
        self._clock = clock
        self._free = free
        self._first = first_seconds
        self._last = last_seconds
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def check(self, key: str) -> None:
        """Raise `too_many_attempts` while the key has to wait."""
        entry = self._failures.get(key)
        wait = entry.until - self._clock() if entry is not None else 0.0
        if wait > 0:
            raise ApiError("too_many_attempts", headers={"retry-after": str(int(wait) + 1)})

    def fail(self, key: str) -> None:
        """Count an attempt as failed. Call it before the slow check, so that parallel guesses count as well."""
        now = self._clock()
        entry = self._failures.setdefault(key, _Failures())
        self._failures.move_to_end(key)
        if now - entry.last > self._last:
            entry.count = 0
        entry.count += 1
        entry.last = now
        if entry.count >= self._free:
            entry.until = now + min(self._first * 2.0 ** min(entry.count - self._free, 30), self._last)
        while len(self._failures) > _ENTRIES_MAX:
            self._failures.popitem(last=False)

    def take_back(self, key: str) -> None:
        """Say that the last attempt that was counted did not fail; those before it stay."""
        entry = self._failures.get(key)
        if entry is not None:
            entry.count -= 1
            entry.until = 0.0 if entry.count < self._free else entry.until

    def forget(self, key: str) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)


class _Bucket(msgspec.Struct):
    level: float
    at: float


class RateLimiter:
    """A bucket of requests per key that refills steadily."""

    def __init__(self, clock: Callable[[], float], *, per_second: float, burst: int) -> None:
        """Take a monotonic clock in seconds."""
        self._clock = clock
        self._rate = per_second
        self._burst = float(burst)
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str) -> None:
        """Take one request out of the key's bucket, or raise `rate_limited`."""
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(self._burst, now))
        self._buckets.move_to_end(key)
        while len(self._buckets) > _ENTRIES_MAX:
            self._buckets.popitem(last=False)
        bucket.level = min(self._burst, bucket.level + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.level < 1:
            raise ApiError("rate_limited", headers={"retry-after": str(int((1 - bucket.level) / self._rate) + 1)})
        bucket.level -= 1
