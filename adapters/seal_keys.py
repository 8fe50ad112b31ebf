"""The keys that sign seals: Ed25519, in a file of their own outside the database.

The file has one key a line: its id, `private` or `public`, 32 bytes in base64. The first line signs; all of them are
trusted. A key that was replaced stays as its public half, so that what it signed can still be checked.
"""

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.proof.seals import key_id_of

_KEY_BYTES: Final = 32
_FORBIDDEN: Final = stat.S_IWGRP | stat.S_IRWXO
_PEM_END: Final = "-----END PUBLIC KEY-----"


class SealKeyError(Exception):
    """The key file cannot be used. The message never shows a private key."""


class _Line(NamedTuple):
    key_id: str
    private: bytes | None
    public: bytes

    @property
    def text(self) -> str:
        kind, key = ("private", self.private) if self.private is not None else ("public", self.public)
        return f"{self.key_id} {kind} {base64.b64encode(key).decode()}\n"


class SealKeys:
    """Signs with the first key of a file, and tells the public halves of all."""

    def __init__(self, private: bytes, public_keys: dict[str, bytes]) -> None:
        """Take the private key that signs, and every public key by its id."""
        self._signer = Ed25519PrivateKey.from_private_bytes(private)
        self.public_key = self._signer.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)
        self.public_keys = {self.key_id: self.public_key} | public_keys

    def __repr__(self) -> str:
        """Show which keys there are, and none of them."""
        return f"SealKeys({', '.join(self.public_keys)})"

    @classmethod
    def open(cls, path: Path) -> "SealKeys":
        """Give the keys of a file, made with a new key if it is not there; SealKeyError if it cannot be used.

        When two processes make it at the same moment, both use the one that was there first.
        """
        try:
            if not path.exists():
                _write(path, [_new()], replace=False)
        except OSError as error:
            raise _unusable(path, error) from None
        return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> "SealKeys":
        """Give the keys of a file that must be there."""
        lines = _read(path)
        if lines[0].private is None:
            raise SealKeyError(f"the first line of the seal key file {path} must be a private key")
        return cls(lines[0].private, {line.key_id: line.public for line in lines})

    def sign(self, message: bytes) -> bytes:
        """Give the signature of a message."""
        return self._signer.sign(message)


def rotate(path: Path) -> SealKeys:
    """Put a new key first, and keep the public halves of the others; processes that run take it at their next seal."""
    lines = _read(path)
    try:
        _write(path, [_new(), *(line._replace(private=None) for line in lines)], replace=True)
    except OSError as error:
        raise _unusable(path, error) from None
    return SealKeys.read(path)


def to_pem(public_key: bytes) -> str:
    """Give a public key in the form that other programs read."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def from_pem(text: str) -> dict[str, bytes]:
    """Give the public keys of a text, by id: one or more in PEM, whatever stands between; SealKeyError if none."""
    keys = {}
    for part in text.split(_PEM_END)[:-1]:
        begin = part.find("-----BEGIN PUBLIC KEY-----")
        try:
            key = serialization.load_pem_public_key(f"{part[max(begin, 0) :]}{_PEM_END}\n".encode())
        except (ValueError, UnsupportedAlgorithm):
            raise SealKeyError("a public key cannot be read: it must be Ed25519, in PEM") from None
        if not isinstance(key, Ed25519PublicKey):
            raise SealKeyError("a public key is of another kind: it must be Ed25519, in PEM")
        raw = key.public_bytes_raw()
        keys[key_id_of(raw)] = raw
    if not keys:
        raise SealKeyError(
            "there is no public key in it: it must be Ed25519, in PEM, as `tallygate seal-key` prints it"
        )
    return keys


def _new() -> _Line:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return _Line(key_id_of(public), private.private_bytes_raw(), public)


def _unusable(path: Path, error: OSError) -> SealKeyError:
    return SealKeyError(f"the seal key file {path} cannot be used: {error.strerror}")


def _write(path: Path, lines: Iterable[_Line], *, replace: bool) -> None:
    """Write the file whole or not at all; without `replace`, a file that is there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write("".join(line.text for line in lines).encode())
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


def _read(path: Path) -> list[_Line]:
    try:
        if path.stat().st_mode & _FORBIDDEN:
            raise SealKeyError(f"the seal key file {path} is open to others: chmod 600 it")
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise _unusable(path, error) from None
    lines = [_parse(path, number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise SealKeyError(f"the seal key file {path} has no key in it")
    return lines


def _parse(path: Path, number: int, words: list[str]) -> _Line:
    wrong = SealKeyError(
        f"line {number} of the seal key file {path} is not an id, `private` or `public`, and 32 bytes in base64"
    )
    try:
        key_id, kind, text = words
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    if len(key) != _KEY_BYTES or kind not in {"private", "public"}:
        raise wrong
    private = key if kind == "private" else None
    public = key if private is None else Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()
    if key_id_of(public) != key_id:
        raise SealKeyError(f"line {number} of the seal key file {path}: the key is not the one of its id")
    return _Line(key_id, private, public)
