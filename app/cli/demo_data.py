"""`tallygate demo-data`: fill an empty database with a made-up history, for trying out, screenshots and benchmarks."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Iterator

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from adapters.clock import now
from adapters.logging import configure_logging
from adapters.postgres.migrate import migrate
from app.cli.database import database
from app.cli.refusals import StartError
from app.demo_data.load import Loaded, LoadError, Progress, is_fresh, load
from app.demo_data.plan import Plan
from app.settings import Settings

_EARLIEST = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
"""Tenants' numbers count from the beginning of 2025."""


@click.command("demo-data", short_help="Fill an empty database with a made-up history.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long the history is.")
@click.option("--tenants", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many there are.")
@click.option(
    "--requests",
    type=click.IntRange(1, 200_000_000),
    default=2_000_000,
    show_default=True,
    help="Calls that they make.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same history.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    metavar="DATE",
    help="Where it ends (UTC): a day, or a minute such as 2026-11-30T12:00; the last full hour unless given.",
)
@click.option("--processes", type=click.IntRange(1, 64), metavar="N", help="How many write; one per core unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *,
    days: int,
    tenants: int,
    requests: int,
    seed: int,
    until: dt.datetime | None,
    processes: int | None,
    as_json: bool,
) -> None:
    """Fill an empty database with the history of a made-up installation.

    Tenants with people, keys and budgets; vendors that fail now and then; prices and multipliers that change; credit
    that is bought, given, redeemed and lapses; and all the requests. Every amount is decided by the same rules as in
    real use, so that `tallygate verify` finds nothing. The same options give the same events, byte for byte.

    Nothing is done to a database that has anything in it. Nobody of the history can log in until given a password
    (`tallygate user reset-password ada.brandt`); root is made by the first `tallygate serve` as usual.
    """
    settings = Settings.load()
    configure_logging("warning")
    plan = _plan(days=days, tenants=tenants, requests=requests, seed=seed, until=until)
    try:
        loaded = asyncio.run(_load(settings, plan, processes, quiet=as_json))
    except LoadError as error:
        raise StartError(str(error)) from error
    if as_json:
        body = msgspec.structs.asdict(loaded) | {"requests_per_second": loaded.requests_per_second}
        click.echo(msgspec.json.encode(body).decode())
        return
    click.echo(
        f"{loaded.requests} requests of {loaded.tenants} tenants from {loaded.first:%F %H:%M} to"
        f" {loaded.until:%F %H:%M} UTC: {loaded.events} events, written in {loaded.write_seconds:.0f} s"
        f" ({loaded.requests_per_second} requests/s), folded and sealed in {loaded.fold_seconds:.0f} s"
    )


def _plan(*, days: int, tenants: int, requests: int, seed: int, until: dt.datetime | None) -> Plan:
    present = now()
    end = until.replace(tzinfo=dt.UTC) if until is not None else present.replace(minute=0, second=0, microsecond=0)
    if end > present:
        raise click.BadParameter("a history ends in the past", param_hint="--until")
    if end - dt.timedelta(days=days) < _EARLIEST:
        raise click.BadParameter(f"a history begins on {_EARLIEST:%F} or later", param_hint="--until")
    return Plan(until=end, days=days, tenants=tenants, requests=requests, seed=seed)


async def _load(settings: Settings, plan: Plan, processes: int | None, *, quiet: bool) -> Loaded:
    async with database(settings, create=True) as dsn:
        if not await is_fresh(dsn):
            raise StartError(
                "there is data in this database already, and nothing was done to it: demo data needs an empty one, such"
                " as that of a new directory (TALLYGATE_DATA=demo tallygate demo-data)"
            )
        await migrate(dsn)
        with _progress(quiet=quiet) as report:
            return await load(dsn, plan, settings.seal_key_file, report, processes=processes)


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(progress: Progress) -> None:
            task = tasks.get(progress.part)
            if task is None:
                task = tasks[progress.part] = bars.add_task(progress.part)
            bars.update(task, completed=progress.done, total=progress.total)

        yield report
