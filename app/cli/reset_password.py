"""`tallygate user reset-password`: for whoever is locked out and can reach the server's data."""

import asyncio
import json
from typing import TYPE_CHECKING

import asyncpg
import click

from adapters.passwords import generate_password
from adapters.postgres.flusher import Flusher
from app.administration import Administration
from app.cli.database import database
from app.cli.refusals import StartError
from app.settings import Settings

if TYPE_CHECKING:
    from app.administration import Stored

_STOP_SECONDS = 5.0


@click.group("user", short_help="Help people who cannot log in.")
def command() -> None:
    """Help people who cannot log in."""


@command.command("reset-password")
@click.argument("login")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def reset_password(login: str, *, as_json: bool) -> None:
    """Give the user LOGIN a new password, printed once, which must be changed at the next login.

    All sessions of the user end. Works while the server runs, and while it does not.
    """
    password = generate_password()
    user = asyncio.run(_reset(Settings.load(), login, password))
    if as_json:
        click.echo(json.dumps({"login": user.entity.login, "user_id": user.entity_id, "password": password}))
        return
    click.echo(f"New password of {user.entity.login}: {password}")
    click.echo("It must be changed at the next login. All sessions of this user have ended.", err=True)
    if user.entity.disabled:
        click.echo("The user is disabled, and stays so.", err=True)


async def _reset(settings: Settings, login: str, password: str) -> "Stored":
    async with database(settings) as dsn, asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        ledger = Flusher(dsn)
        await ledger.start()
        try:
            administration = Administration(ledger, pool, None)
            user = await administration.find("user", login.strip().casefold())
            if user is None:
                raise StartError(f"there is no user {login!r}")
            await administration.set_password(
                user.entity_id,
                password,
                actor="system:command_line",
                reason="reset on the command line",
                must_change=True,
            )
        finally:
            await ledger.stop(_STOP_SECONDS)
    return user
