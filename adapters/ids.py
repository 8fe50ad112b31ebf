"""New identifiers: UUIDv7 text for everything but tenants, whose number must fit JavaScript's integers."""

import os
import secrets
import threading
import time
from random import getrandbits

_COUNTER_BITS = 74
_LOW_BITS = 62
_LOW_MASK = (1 << _LOW_BITS) - 1
_VERSION = 7 << 76
_VARIANT = 2 << 62

_TENANT_EPOCH_MILLISECONDS = 1_735_689_600_000  # 2025-01-01: 41 bits of milliseconds last until 2094.
_TENANT_RANDOM_BITS = 12


class _Uuid7:
    """The state behind `new_id`: later ids of one process are always greater, whatever the clock does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._millisecond = 0
        self._counter = 0

    def next(self) -> int:
        with self._lock:
            millisecond = time.time_ns() // 1_000_000
            if millisecond > self._millisecond:
                self._millisecond = millisecond
                # The top bit stays clear, so that a millisecond's ids can only run out after 2**73.
                self._counter = secrets.randbits(_COUNTER_BITS - 1)
            else:
                # Within a millisecond, or after the clock was set back, count on by a random step.
                self._counter += 1 + getrandbits(32)
            counter = self._counter
            time_part = self._millisecond << 80
        return time_part | _VERSION | (counter >> _LOW_BITS) << 64 | _VARIANT | counter & _LOW_MASK


class _TenantIds:
    """The state behind `new_tenant_id`: milliseconds, then random bits; never the same number twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 1

    def next(self) -> int:
        milliseconds = time.time_ns() // 1_000_000 - _TENANT_EPOCH_MILLISECONDS
        candidate = (milliseconds << _TENANT_RANDOM_BITS) | secrets.randbits(_TENANT_RANDOM_BITS)
        with self._lock:
            self._last = max(candidate, self._last + 1)
            return self._last


_uuid7 = _Uuid7()
_tenant_ids = _TenantIds()


def _forget_parent() -> None:
    """Start from fresh random bits: parent and child would otherwise count through the same ids."""
    global _uuid7, _tenant_ids
    _uuid7, _tenant_ids = _Uuid7(), _TenantIds()


os.register_at_fork(after_in_child=_forget_parent)


def new_id() -> str:
    """Give a new UUIDv7 in its text form, greater than every one that this process gave before."""
    text = f"{_uuid7.next():032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_tenant_id() -> int:
    """Give a new tenant's number: above 1, below 2**53, ordered by the time of its making."""
    return _tenant_ids.next()
