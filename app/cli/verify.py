"""`tallygate verify`: prove that the books are right."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import asyncpg
import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from adapters.logging import configure_logging
from adapters.seal_keys import SealKeyError, SealKeys, from_pem
from app.cli.database import database
from app.cli.progress import Teller
from app.cli.refusals import StartError
from app.projections import PROJECTIONS
from app.settings import Settings
from app.verification.seals import AnchorError, read_anchors
from app.verification.state import StateError, StateFile
from app.verify import Checked, Options, Verification, verify

_INTERRUPTED: Final = 130


@click.command("verify", short_help="Prove that the books are right, or name what is wrong.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--progress", is_flag=True, help="Tell how far it is as lines of JSON on the error stream.")
@click.option("--resume", is_flag=True, help="Go on where the last run was broken off.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where a run that is broken off is kept; verify.state in the data directory unless named.",
)
@click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The public keys that seals must be signed with, in PEM; those of the seal key file unless named.",
)
@click.option(
    "--heads",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Heads that were published, to compare with; those of TALLYGATE_SEAL_HEADS_FILE unless named.",
)
def command(
    *,
    as_json: bool,
    progress: bool,
    resume: bool,
    state: Path | None,
    public_key: Path | None,
    heads: Path | None,
) -> None:
    """Read the whole log and check it against everything that was made from it.

    Order and completeness of the log, double entry, every price, every hold and its end, balances, budgets, burn order
    and expiry of credit, every sealed event, block and signature, and every projection, row by row. It writes nothing
    to the database, and may run at any time beside a working server, as a role that may only read, or on a standby.
    Exit status 1 if anything is found.
    """
    settings = Settings.load()
    configure_logging("warning")
    try:
        options = _options(settings, state=state, resume=resume, public_key=public_key, heads=heads)
        result = asyncio.run(_verify(settings, options, quiet=as_json, teller=Teller() if progress else None))
    except (AnchorError, SealKeyError, StateError) as error:
        raise StartError(str(error)) from error
    except KeyboardInterrupt:
        click.echo("broken off: `tallygate verify --resume` goes on from here", err=True)
        raise SystemExit(_INTERRUPTED) from None
    if as_json:
        click.echo(msgspec.json.encode({"clean": result.clean} | msgspec.structs.asdict(result)).decode())
    else:
        _print(result)
    if not result.clean:
        raise SystemExit(1)


def _options(
    settings: Settings, *, state: Path | None, resume: bool, public_key: Path | None, heads: Path | None
) -> Options:
    if state is None and settings.data.is_dir():
        state = settings.data / "verify.state"
    file = StateFile(state)
    if not resume:
        file.remove()
    if heads is None and settings.seal_heads_file is not None and settings.seal_heads_file.exists():
        heads = settings.seal_heads_file
    keys = None
    if public_key is not None:
        keys = from_pem(public_key.read_text(encoding="utf-8", errors="replace"))
    elif settings.seal_key_file.exists():
        keys = SealKeys.read(settings.seal_key_file).public_keys
    return Options(trusted_keys=keys, anchors=read_anchors(heads) if heads is not None else {}, state=file)


async def _verify(settings: Settings, options: Options, *, quiet: bool, teller: Teller | None) -> Verification:
    async with database(settings) as dsn, asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        if teller is not None:
            return await verify(
                pool, PROJECTIONS, lambda checked: teller.tell(checked.part, checked.done, checked.total), options
            )
        with _progress(quiet=quiet) as report:
            return await verify(pool, PROJECTIONS, report, options)


def _print(result: Verification) -> None:
    for finding in result.findings:
        click.echo(
            f"tenant {finding.tenant_id} lane {finding.lane} position {finding.position}:"
            f" {finding.check}: {finding.message}"
        )
    for note in result.notes:
        click.echo(f"note: {note}")
    verdict = "everything adds up" if result.clean else f"{len(result.findings)} findings"
    click.echo(
        f"{result.events} events in {result.lanes} lanes checked in {result.seconds:.1f} s,"
        f" {result.sealed} of them sealed by {result.seals} seals: {verdict}"
    )


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
