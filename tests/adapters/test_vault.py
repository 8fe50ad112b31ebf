"""Sealing secrets under a key file."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.vault import Sealed, Vault, VaultError


def test_a_sealed_secret_opens_for_its_owner_only(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path / "secret.key")
    sealed = vault.seal("sk-vendor", "channel:a:1")

    assert vault.unseal(sealed, "channel:a:1") == "sk-vendor"
    assert b"sk-vendor" not in sealed.ciphertext
    with pytest.raises(VaultError, match="does not decrypt"):
        vault.unseal(sealed, "channel:b:1")
    flipped = Sealed(sealed.key_id, sealed.nonce, bytes([sealed.ciphertext[0] ^ 1]) + sealed.ciphertext[1:])
    with pytest.raises(VaultError, match="does not decrypt"):
        vault.unseal(flipped, "channel:a:1")


def test_two_sealings_of_one_secret_differ(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path / "secret.key")

    assert vault.seal("same", "owner") != vault.seal("same", "owner")


def test_the_key_file_is_the_owners_alone_and_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret.key"
    sealed = Vault.open(path).seal("secret", "owner")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]
    assert Vault.open(path).unseal(sealed, "owner") == "secret"


def test_processes_that_start_together_use_one_key(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"

    with ThreadPoolExecutor(8) as threads:
        vaults = list(threads.map(lambda _: Vault.open(path), range(16)))

    assert len({vault.key_id for vault in vaults}) == 1
    assert vaults[0].unseal(vaults[-1].seal("secret", "owner"), "owner") == "secret"


def test_a_new_key_before_the_old_one_seals_and_both_open(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    old = Vault.open(path)
    sealed = old.seal("secret", "owner")
    path.write_text(f"next {base64.b64encode(b'n' * 32).decode()}\n{path.read_text()}")

    rotated = Vault.open(path)

    assert rotated.seal("other", "owner").key_id == "next"
    assert rotated.unseal(sealed, "owner") == "secret"
    # A process that had opened the file before finds the new key in it.
    assert old.unseal(rotated.seal("other", "owner"), "owner") == "other"
    with pytest.raises(VaultError, match="next"):
        Vault({"before": b"b" * 32}).unseal(rotated.seal("other", "owner"), "owner")


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666])
def test_a_key_file_that_others_can_read_or_group_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret.key"
    Vault.open(path)
    path.chmod(mode)

    with pytest.raises(VaultError, match="chmod"):
        Vault.open(path)


@pytest.mark.parametrize("text", ["", "\n", "id\n", "id c2hvcnQ=\n", "id not base64!\n", "\x00\xff"])
def test_a_key_file_that_is_none_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret.key"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(VaultError):
        Vault.open(path)
    assert path.read_text() == text


def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(VaultError, match="cannot be used"):
        Vault.open(tmp_path / "file" / "secret.key")


def test_a_vault_shows_no_key(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    vault = Vault.open(path)
    secret = path.read_text().split()[1]

    assert secret not in repr(vault)
    assert vault.key_id in repr(vault)
