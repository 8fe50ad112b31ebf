"""`tallygate parked`: lanes of projections that stand still, and another try for them."""

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import click
import msgspec

from adapters.logging import configure_logging
from app.cli.database import database
from app.cli.refusals import StartError
from app.parked import ParkedLane, list_parked, retry_parked
from app.rebuild import UnknownProjectionError
from app.settings import Settings
from domain.ids import Lane, TenantId

if TYPE_CHECKING:
    from projections.checkpoints import Pool


class _Choice(msgspec.Struct, frozen=True):
    projection: str | None
    tenant_id: TenantId | None
    lane: Lane | None
    retry: bool


@click.command("parked", short_help="List lanes a projection cannot fold, and retry them.")
@click.argument("projection", required=False)
@click.option("--retry", is_flag=True, help="Let them try again; the server folds them within seconds.")
@click.option("--tenant", type=int, help="Retry the lanes of this tenant only.")
@click.option("--lane", type=int, help="Retry this lane only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, projection: str | None, retry: bool, tenant: int | None, lane: int | None, as_json: bool) -> None:
    """List the lanes that stand still, of PROJECTION or of all: at which event, why, and since when.

    Every other lane, and every other projection on the same lane, goes on meanwhile. Exit status 1 if there are any and
    they are not retried.
    """
    if not retry and (tenant is not None or lane is not None):
        raise StartError("--tenant and --lane choose what is retried: add --retry")
    settings = Settings.load()
    configure_logging("warning")
    choice = _Choice(
        projection,
        None if tenant is None else TenantId(tenant),
        None if lane is None else Lane(lane),
        retry=retry,
    )
    try:
        lanes, retried = asyncio.run(_run(settings, choice))
    except UnknownProjectionError as error:
        raise StartError(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode({"parked": lanes, "retried": retried}).decode())
    else:
        for each in lanes:
            click.echo(_line(each))
        click.echo(f"{retried} lanes try again" if retry else f"{len(lanes)} lanes are parked")
    if lanes and not retry:
        raise SystemExit(1)


async def _run(settings: Settings, choice: _Choice) -> tuple[list[ParkedLane], int]:
    async with database(settings) as dsn, asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        return await _list_or_retry(pool, choice)


async def _list_or_retry(pool: "Pool", choice: _Choice) -> tuple[list[ParkedLane], int]:
    lanes = await list_parked(pool, choice.projection)
    if not choice.retry:
        return lanes, 0
    return lanes, await retry_parked(pool, choice.projection, tenant_id=choice.tenant_id, lane=choice.lane)


def _line(each: ParkedLane) -> str:
    since = each.since.isoformat(timespec="seconds") if each.since else "an earlier version"
    return (
        f"{each.projection}: lane {each.lane} of tenant {each.tenant_id} at position {each.position} since {since}:"
        f" {' '.join(each.error.split())}"
    )
