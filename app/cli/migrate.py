"""`tallygate migrate`: bring the database to the schema of this version."""

import asyncio
import json

import click

from adapters.logging import configure_logging
from adapters.postgres.migrate import find_pending, migrate
from app.cli.database import database
from app.settings import Settings


@click.command("migrate", short_help="Bring the database to the schema of this version.")
@click.option("--check", "only_check", is_flag=True, help="Only list what is missing; status 1 if anything is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, only_check: bool, as_json: bool) -> None:
    """Bring the database to the schema of this version.

    `serve` does it by itself at each start. The running server is joined if there is one; otherwise the embedded
    one is started for as long as it takes.
    """
    settings = Settings.load()
    configure_logging("warning")
    titles = asyncio.run(_migrate(settings, only_check=only_check))
    if as_json:
        click.echo(json.dumps({"pending" if only_check else "applied": titles}))
    else:
        for title in titles:
            click.echo(f"{'missing' if only_check else 'applied'} {title}")
        if not titles:
            click.echo("the schema is up to date")
    if only_check and titles:
        raise SystemExit(1)


async def _migrate(settings: Settings, *, only_check: bool) -> list[str]:
    async with database(settings, create=True) as dsn:
        return await find_pending(dsn) if only_check else await migrate(dsn)
