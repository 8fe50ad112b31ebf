"""`tallygate verify`: prove that the books are right."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import asyncpg
import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from adapters.logging import configure_logging
from app.cli.database import database
from app.projections import PROJECTIONS
from app.settings import Settings
from app.verify import Checked, Verification, verify


@click.command("verify", short_help="Prove that the books are right, or name what is wrong.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool) -> None:
    """Read the whole log and check it against everything that was made from it.

    Order and completeness of the log, double entry, every price, every hold and its end, balances, budgets, burn order
    and expiry of credit, and every projection, row by row. It may run at any time beside a working server. Exit
    status 1 if anything is found.
    """
    settings = Settings.load()
    configure_logging("warning")
    result = asyncio.run(_verify(settings, quiet=as_json))
    if as_json:
        click.echo(msgspec.json.encode({"clean": result.clean} | msgspec.structs.asdict(result)).decode())
    else:
        _print(result)
    if not result.clean:
        raise SystemExit(1)


async def _verify(settings: Settings, *, quiet: bool) -> Verification:
    async with database(settings) as dsn, asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        with _progress(quiet=quiet) as report:
            return await verify(pool, PROJECTIONS, report)


def _print(result: Verification) -> None:
    for finding in result.findings:
        click.echo(
            f"tenant {finding.tenant_id} lane {finding.lane} position {finding.position}:"
            f" {finding.check}: {finding.message}"
        )
    for note in result.notes:
        click.echo(f"note: {note}")
    verdict = "everything adds up" if result.clean else f"{len(result.findings)} findings"
    click.echo(f"{result.events} events in {result.lanes} lanes checked in {result.seconds:.1f} s: {verdict}")


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[Checked], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(checked: Checked) -> None:
            task = tasks.get(checked.part)
            if task is None:
                task = tasks[checked.part] = bars.add_task(checked.part)
            bars.update(task, completed=checked.done, total=checked.total)

        yield report
