"""Passwords: argon2id, off the event loop, a few at a time since each takes 64 MiB."""

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LENGTH_MIN: Final = 8
LENGTH_MAX: Final = 1024
"""In characters. Hashing takes its time with a megabyte."""

_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without characters that people take for one another."""
_GENERATED_LENGTH: Final = 20
_AT_ONCE: Final = 2


class Passwords:
    """Hashes and checks passwords; by default with the parameters of the library, which follow RFC 9106."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Give what is stored: parameters, salt and hash in one text."""
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Say whether a password is the one of this hash.

        Where there is no user there is no hash: it then takes as long, and is false, so that the time tells nobody who
        has an account.
        """
        if len(password) > LENGTH_MAX:
            return False
        if hashed is None and self._nobody is None:
            self._nobody = await self.hash(secrets.token_hex())
        async with self._slots:
            right = await asyncio.to_thread(self._matches, hashed or self._nobody or "", password)
        return right and hashed is not None

    def outdated(self, hashed: str) -> bool:
        """Say whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


def generate_password() -> str:
    """Give a password that nobody can guess and that can be typed: 116 bits in 20 characters."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GENERATED_LENGTH))
