"""Changing the key that vendors' credentials are encrypted under, while processes go on using them."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapters.vault import Vault
from app.cli import cli
from tests.support.office import open_office

SECRET = "sk-vendor-credential-0123456789"


def tallygate(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def keys(*options: str) -> list[tuple[bool, int]]:
    result = tallygate("secret-key", "--json", *options)
    assert result.exit_code == 0, result.output
    return [(key["in_use"], key["secrets"]) for key in json.loads(result.stdout)["keys"]]


@pytest.fixture
def running(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Vault, str]:
    """A vault as a server has it open, and a channel whose key is encrypted with it."""
    monkeypatch.setenv("TALLYGATE_DATABASE_URL", database)
    monkeypatch.setenv("TALLYGATE_DATA", str(tmp_path))
    vault = Vault.open(tmp_path / "secret.key")

    async def make() -> str:
        async with open_office(database) as office:
            office.administration._vault = vault
            await office.group(side="channel")
            channel = await office.channel(secret=SECRET)
            return str(channel.entity_id)

    return vault, asyncio.run(make())


def read(database: str, vault: Vault, channel_id: str) -> str:
    async def run() -> str:
        async with open_office(database) as office:
            ((_, version), sealed), *_ = (await office.administration.store.channel_keys([channel_id])).items()
            return vault.unseal(sealed, f"channel:{channel_id}:{version}")

    return asyncio.run(run())


def test_a_new_key_takes_over_step_by_step_and_nothing_stops(running: tuple[Vault, str], database: str) -> None:
    vault, channel_id = running
    before = vault.key_id
    assert keys() == [(True, 1)]

    assert keys("--rotate") == [(True, 0), (False, 1)]
    assert read(database, vault, channel_id) == SECRET

    assert keys("--reencrypt") == [(True, 1), (False, 0)]
    # The server was started with the old key alone: it finds the new one in the file.
    assert read(database, vault, channel_id) == SECRET
    assert vault.key_id != before

    assert keys("--forget") == [(True, 1)]
    assert read(database, vault, channel_id) == SECRET


def test_a_key_that_still_protects_something_is_never_forgotten(running: tuple[Vault, str], database: str) -> None:
    vault, channel_id = running
    assert keys("--rotate", "--forget") == [(True, 0), (False, 1)]
    assert read(database, vault, channel_id) == SECRET


def test_a_lost_key_is_told_in_one_line_and_changes_nothing(running: tuple[Vault, str], tmp_path: Path) -> None:
    old, _ = running
    (tmp_path / "secret.key").unlink()
    Vault.open(tmp_path / "secret.key")

    shown = tallygate("secret-key")
    refused = tallygate("secret-key", "--reencrypt")

    assert f"{old.key_id}  1 credentials, and the key is not in" in shown.stderr
    assert refused.exit_code == 2
    assert old.key_id in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_no_key_and_no_credential_is_printed(running: tuple[Vault, str], tmp_path: Path) -> None:
    assert running
    result = tallygate("secret-key", "--rotate", "--reencrypt")

    for line in (tmp_path / "secret.key").read_text().splitlines():
        assert line.split(" ")[1] not in result.output
    assert SECRET not in result.output


def test_without_a_key_file_none_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TALLYGATE_DATA", str(tmp_path))

    assert tallygate("secret-key", "--rotate").exit_code == 2
    assert list(tmp_path.iterdir()) == []
