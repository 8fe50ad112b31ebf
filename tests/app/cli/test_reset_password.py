"""A way back in for whoever is locked out."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from click.testing import CliRunner, Result

from app.cli.refusals import StartError
from app.cli.reset_password import command
from tests.support.office import ACTOR, Office, open_office


@pytest.fixture
async def office(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setenv("TALLYGATE_DATABASE_URL", database)
    async with open_office(database) as opened:
        yield opened


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, command, ["reset-password", *arguments])


async def test_a_new_password_is_printed_once_and_is_the_only_one_that_works(office: Office) -> None:
    user = await office.user("alice")
    await office.administration.set_password(user.entity_id, "forgotten", actor=ACTOR)
    await office.pool.execute(
        "INSERT INTO admin.session (session_hash, user_id, csrf_hash, expires_at)"
        " VALUES ('s', $1, '', now() + interval '1 hour')",
        user.entity_id,
    )

    result = await run("Alice", "--json")

    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["login"] == "alice"
    assert await office.administration.check_password("alice", "forgotten") is None
    found = await office.administration.check_password("alice", printed["password"])
    assert found is not None
    assert found.entity.must_change_password
    assert await office.pool.fetchval("SELECT count(*) FROM admin.session") == 0


async def test_people_read_the_password_in_the_first_line(office: Office) -> None:
    user = await office.user("alice", disabled=True)

    result = await run("alice")

    line = result.stdout.splitlines()[0]
    assert line.startswith("New password of alice: ")
    assert await office.administration.check_password("alice", line.rsplit(" ", 1)[1]) is not None
    assert "disabled" in result.stderr
    assert (await office.administration.get("user", user.entity_id)).entity.disabled


@pytest.mark.usefixtures("office")
async def test_an_unknown_login_is_a_refusal_and_not_a_trace() -> None:
    result = await run("nobody")

    assert isinstance(result.exception, StartError)
    assert "nobody" in str(result.exception)
