"""`tallygate rebuild`: make projections again from the log, online."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import asyncpg
import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from adapters.logging import configure_logging
from app.cli.database import database
from app.cli.progress import Teller
from app.cli.refusals import StartError
from app.rebuild import Rebuilt, UnknownProjectionError, choose, rebuild_all
from app.settings import Settings
from projections.generations import Filling, FillParkedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from projections.base import Projection


@click.command("rebuild", short_help="Make projections again from the log, while everything runs.")
@click.argument("projection", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--progress", is_flag=True, help="Tell how far it is as lines of JSON on the error stream.")
def command(*, projection: Sequence[str], as_json: bool, progress: bool) -> None:
    """Make projections (all of them unless named) again from the log.

    A new generation is filled beside the one in use and takes its place when it has caught up: nothing stops meanwhile.
    When it is killed half-way, the next run goes on from there. Exit status 1 if an event cannot be folded: then the
    rows that were in use stay in use.
    """
    settings = Settings.load()
    configure_logging("warning")
    try:
        chosen = choose(projection)
    except UnknownProjectionError as error:
        raise StartError(str(error)) from error
    try:
        done = asyncio.run(_rebuild(settings, chosen, quiet=as_json, teller=Teller() if progress else None))
    except FillParkedError as error:
        if as_json:
            click.echo(json.dumps({"error": str(error)}))
        else:
            click.echo(f"tallygate: {error}", err=True)
        raise SystemExit(1) from error
    if as_json:
        click.echo(msgspec.json.encode({"rebuilt": done}).decode())
        return
    for each in done:
        click.echo(
            f"{each.projection}: generation {each.generation} is live, {each.events} events in {each.seconds:.1f} s"
            f" ({each.events_per_second} events/s, flip {each.flip_milliseconds} ms)"
        )


async def _rebuild(
    settings: Settings, chosen: Sequence["Projection"], *, quiet: bool, teller: Teller | None
) -> list[Rebuilt]:
    async with database(settings) as dsn, asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        if teller is not None:
            return await rebuild_all(
                pool, chosen, lambda filling: teller.tell(filling.projection, filling.done, filling.total)
            )
        with _progress(quiet=quiet) as report:
            return await rebuild_all(pool, chosen, report)


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator["Callable[[Filling], None]"]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(filling: Filling) -> None:
            task = tasks.get(filling.projection)
            if task is None:
                task = tasks[filling.projection] = bars.add_task(filling.projection)
            bars.update(task, completed=filling.done, total=filling.total)

        yield report
