"""Encrypts vendors' keys under a key that is in a file of its own, outside the database.

The file has one key a line: its id, a blank, 32 bytes in base64. The first line encrypts; all of them decrypt, so a key
is changed by putting a new line before the old ones (`rotate`), which processes that run notice. Each ciphertext is
bound to what it belongs to: moved to another row it does not decrypt.
"""

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_FORBIDDEN: Final = stat.S_IWGRP | stat.S_IRWXO


class VaultError(Exception):
    """The key file cannot be used, or a secret cannot be read with it. The message never shows a secret."""


class Sealed(NamedTuple):
    """A secret as it is stored."""

    key_id: str
    nonce: bytes
    ciphertext: bytes


class Vault:
    """Seals and opens secrets with the keys of one file."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        """Take keys by id; the first one seals."""
        if not keys:
            raise VaultError("a vault needs a key")
        self._path: Path | None = None
        self._stamp: tuple[int, int] | None = None
        self._take(keys)

    def __repr__(self) -> str:
        """Show which keys there are, and none of them."""
        return f"Vault({', '.join(self._ciphers)})"

    @classmethod
    def open(cls, path: Path) -> "Vault":
        """Give the vault of a key file, made with a new key if it is not there; VaultError if it cannot be used.

        When two processes make it at the same moment, both use the one that was there first.
        """
        try:
            if not path.exists():
                _write(path, [_new_line()], replace=False)
            return cls._reading(path)
        except OSError as error:
            raise _unusable(path, error) from None

    @classmethod
    def read(cls, path: Path) -> "Vault":
        """Give the vault of a key file that is there; VaultError."""
        try:
            return cls._reading(path)
        except OSError as error:
            raise _unusable(path, error) from None

    @classmethod
    def _reading(cls, path: Path) -> "Vault":
        stamp = _stamp(path)
        vault = cls(_read(path))
        vault._path, vault._stamp = path, stamp
        return vault

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of all keys, the one that seals first."""
        return tuple(self._ciphers)

    def _take(self, keys: dict[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.key_id = next(iter(keys))

    def _follow(self) -> None:
        """Read the file again if it has changed; a file that has become unusable changes nothing."""
        if self._path is None:
            return
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._take(_read(self._path))
                self._stamp = stamp
        except (OSError, VaultError):
            return

    def seal(self, secret: str, owner: str) -> Sealed:
        """Encrypt a secret for its owner, such as `channel:<id>:<version>`."""
        self._follow()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        ciphertext = self._ciphers[self.key_id].encrypt(nonce, secret.encode(), owner.encode())
        return Sealed(self.key_id, nonce, ciphertext)

    def unseal(self, sealed: Sealed, owner: str) -> str:
        """Decrypt an owner's secret; VaultError if its key is not in the file, or if it was changed or moved."""
        if sealed.key_id not in self._ciphers:
            self._follow()
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise VaultError(f"the key {sealed.key_id} that a secret is encrypted with is not in the secret key file")
        try:
            return cipher.decrypt(sealed.nonce, sealed.ciphertext, owner.encode()).decode()
        except InvalidTag:
            raise VaultError(f"the secret of {owner} does not decrypt: it was changed, or belongs elsewhere") from None


def rotate(path: Path) -> Vault:
    """Put a new key before the others of a file, and give the vault; VaultError."""
    try:
        _read(path)
        _write(path, [_new_line(), *path.read_text(encoding="ascii").splitlines()], replace=True)
    except OSError as error:
        raise _unusable(path, error) from None
    return Vault.read(path)


def forget(path: Path, key_ids: Collection[str]) -> Vault:
    """Take keys that nothing is sealed with any more out of a file, but never the first; give the vault; VaultError."""
    try:
        first, *rest = _read(path)
        keep = {first, *(key_id for key_id in rest if key_id not in key_ids)}
        lines = [line for line in path.read_text(encoding="ascii").splitlines() if line.split(" ")[0].strip() in keep]
        _write(path, lines, replace=True)
    except OSError as error:
        raise _unusable(path, error) from None
    return Vault.read(path)


def _unusable(path: Path, error: OSError) -> VaultError:
    return VaultError(f"the secret key file {path} cannot be used: {error.strerror}")


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_ino


def _new_line() -> str:
    key = secrets.token_bytes(_KEY_BYTES)
    return f"{_id_of(key)} {base64.b64encode(key).decode()}"


def _write(path: Path, lines: Sequence[str], *, replace: bool) -> None:
    """Write the file whole or not at all; without `replace`, a file that is there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write("".join(f"{line}\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            # Unlike a rename a link never replaces: whoever comes second finds the first one's key.
            path.hardlink_to(temporary)
    except FileExistsError:
        return
    finally:
        temporary.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"tallygate vault key\x00" + key).hexdigest()[:12]


def _read(path: Path) -> dict[str, bytes]:
    if path.stat().st_mode & _FORBIDDEN:
        raise VaultError(f"the secret key file {path} is open to others: chmod 600 it")
    keys = {}
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        key_id, _, text = line.strip().partition(" ")
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != _KEY_BYTES:
            raise VaultError(f"line {number} of the secret key file {path} is not an id and 32 bytes in base64")
        keys[key_id] = key
    if not keys:
        raise VaultError(f"the secret key file {path} has no key in it")
    return keys
