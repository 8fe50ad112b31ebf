"""The commands around proofs: verify-proof, seal-key, and what verify trusts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner, Result

from adapters.seal_keys import SealKeys, to_pem
from app.cli import cli
from app.proofs import read_proof
from app.seal_heads import HeadFile, Publisher
from app.sealer import Sealer
from domain.proof.proofs import encode
from tests.projections.workload import Workload

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
async def data(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with a key, a proof and published heads of a database that the commands will use."""
    directory = tmp_path / "data"
    directory.mkdir()
    monkeypatch.setenv("TALLYGATE_DATABASE_URL", database)
    monkeypatch.setenv("TALLYGATE_DATA", str(directory))
    keys = SealKeys.open(directory / "seal.key")
    async with asyncpg.create_pool(database, min_size=1, max_size=3) as pool:
        connection = await asyncpg.connect(database)
        workload = Workload(seed=4)
        await workload.begin(connection)
        await workload.run(connection, 4)
        await connection.close()
        await Sealer(pool, lambda: keys).seal_all()
        event_id = await pool.fetchval("SELECT event_id::text FROM ledger.event ORDER BY lane DESC, position LIMIT 1")
        (directory / "proof.json").write_bytes(encode(await read_proof(pool, event_id, None)))
        await Publisher(pool, []).publish(HeadFile(directory / "heads.jsonl"))
    (directory / "key.pem").write_text(to_pem(keys.public_key))
    (directory / "stranger.pem").write_text(to_pem(SealKeys.open(tmp_path / "stranger.key").public_key))
    return directory


def tallygate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)


def test_a_proof_is_checked_with_nothing_but_its_file(data: Path) -> None:
    """In a process of its own, with no settings, no server, and no right to open a socket."""
    script = (
        "import socket, sys\n"
        "def refuse(*_args, **_more): raise SystemExit(99)\n"
        "socket.socket.connect = refuse\n"
        "from app.cli import cli\n"
        "cli(sys.argv[1:], prog_name='tallygate')\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TALLYGATE_")}
    done = subprocess.run(
        [sys.executable, "-c", script, "verify-proof", data / "proof.json", "--public-key", data / "key.pem"],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "unchanged since it was sealed" in done.stdout
    assert "which you trust" in done.stdout


def test_without_a_key_the_file_only_vouches_for_itself(data: Path) -> None:
    result = tallygate("verify-proof", data / "proof.json")

    assert result.exit_code == 0
    assert "compare it with the one you know" in result.stdout
    as_json = json.loads(tallygate("verify-proof", "--json", data / "proof.json").stdout)
    assert (as_json["valid"], as_json["trusted"]) == (True, False)


def test_a_changed_proof_and_one_by_a_stranger_are_refused(data: Path) -> None:
    proof = data / "proof.json"
    result = tallygate("verify-proof", proof, "--public-key", data / "stranger.pem")
    assert (result.exit_code, "not a key that you trust" in result.stderr) == (1, True)

    proof.write_bytes(proof.read_bytes().replace(b"system:test", b"system:tess"))
    result = tallygate("verify-proof", proof)
    assert (result.exit_code, "not the one that was sealed" in result.stderr) == (1, True)
    assert json.loads(tallygate("verify-proof", "--json", proof).stdout)["valid"] is False


@pytest.mark.parametrize("garbage", [b"", b"\x00\xff" * 9, b"[" * 9000, b'{"format":"tallygate-proof-1"}', b"{}"])
def test_garbage_is_no_proof(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(garbage)
    result = tallygate("verify-proof", path)

    assert result.exit_code == 1
    assert "proves nothing" in result.stderr


def test_files_that_cannot_be_read_are_told_apart_from_proofs_that_fail(data: Path, tmp_path: Path) -> None:
    for arguments in (
        (tmp_path / "missing",),
        (tmp_path,),
        (data / "proof.json", "--public-key", data / "proof.json"),
        (data / "proof.json", "--public-key", tmp_path / "missing"),
    ):
        assert tallygate("verify-proof", *arguments).exit_code == 2


def test_the_key_is_shown_and_changed(data: Path) -> None:
    before = json.loads(tallygate("seal-key", "--json").stdout)["keys"]
    tallygate("seal-key", "--rotate")
    after = json.loads(tallygate("seal-key", "--json").stdout)["keys"]

    assert [key["in_use"] for key in after] == [True, False]
    assert after[1]["public_key"] == before[0]["public_key"]
    (data / "both.pem").write_text(tallygate("seal-key").stdout)
    assert tallygate("verify-proof", data / "proof.json", "--public-key", data / "both.pem").exit_code == 0
    (data / "seal.key").unlink()
    assert tallygate("seal-key").exit_code == 2


def test_verify_trusts_the_key_file_or_who_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tallygate("verify")
    assert good.exit_code == 0, good.stdout
    assert "sealed by 1 seals: everything adds up" in good.stdout

    assert tallygate("verify", "--public-key", data / "key.pem").exit_code == 0
    bad = tallygate("verify", "--public-key", data / "stranger.pem")
    assert bad.exit_code == 1
    assert "not a trusted one" in bad.stdout
    monkeypatch.setenv("TALLYGATE_SEAL_HEADS_FILE", str(data / "heads.jsonl"))
    assert tallygate("verify").exit_code == 0
    heads = data / "heads.jsonl"
    heads.write_bytes(heads.read_bytes().replace(b'"number":1', b'"number":7'))
    assert "was published as" in tallygate("verify").stdout


def test_verify_refuses_what_it_cannot_use_in_one_line(data: Path) -> None:
    (data / "verify.state").write_bytes(b"nonsense")
    for arguments in (
        ("--resume",),
        ("--public-key", data / "proof.json"),
        ("--heads", data / "key.pem"),
        ("--state", data / "missing" / "verify.state", "--heads", data / "missing"),
    ):
        result = tallygate("verify", *arguments)
        assert result.exit_code == 2, arguments
        assert result.stderr
    # Without --resume what an earlier run left behind is of no account.
    assert tallygate("verify").exit_code == 0
    assert not (data / "verify.state").exists()
