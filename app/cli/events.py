"""`tallygate events`: read the log, and follow it."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import click
import msgspec

from adapters.logging import configure_logging
from adapters.postgres.event_reader import LaneHead, LoggedEvent, lane_heads, read_page
from app.cli.database import database
from app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE = 1000
_POLL_SECONDS = 0.25
_BODY_WIDTH = 160


class _Wanted(msgspec.Struct, frozen=True):
    tenant_id: int | None
    lane: int | None
    start: int | None
    types: tuple[str, ...]
    as_json: bool


@click.command("events", short_help="Read the log, and follow it.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on, until interrupted.")
@click.option("--tenant", type=int, metavar="NUMBER", help="Only this tenant's lanes; 1 is the platform.")
@click.option("--lane", type=int, metavar="NUMBER", help="Only this lane.")
@click.option(
    "--from",
    "start",
    type=int,
    metavar="POSITION",
    help="Where to begin in each lane; --follow alone begins at the end.",
)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only types that begin so; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def command(
    *, follow: bool, tenant: int | None, lane: int | None, start: int | None, types: tuple[str, ...], as_json: bool
) -> None:
    """Print events, lane by lane, each lane in order. No order between lanes is promised: there is none.

    Amounts are in nano-units (1 000 000 000 is one unit of the currency).
    """
    settings = Settings.load()
    configure_logging("warning")
    wanted = _Wanted(tenant, lane, start, types, as_json)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(_events(settings, wanted, follow=follow))


async def _events(settings: Settings, wanted: _Wanted, *, follow: bool) -> None:
    async with database(settings) as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            positions: dict[int, int] = {}
            if follow and wanted.start is None:
                heads = await lane_heads(connection, tenant_id=wanted.tenant_id, lane=wanted.lane)
                positions = {head.lane: head.head for head in heads}
            await _print_new(connection, wanted, positions)
            while follow:
                await asyncio.sleep(_POLL_SECONDS)
                await _print_new(connection, wanted, positions)
        finally:
            await connection.close()


async def _print_new(
    connection: "asyncpg.Connection[asyncpg.Record]", wanted: _Wanted, positions: dict[int, int]
) -> None:
    """Print what lies between the positions and the lanes' heads, and move the positions."""
    for head in await lane_heads(connection, tenant_id=wanted.tenant_id, lane=wanted.lane):
        positions.setdefault(head.lane, max(0, (wanted.start or 1) - 1))
        while positions[head.lane] < head.head:
            positions[head.lane] = await _print_page(connection, wanted, head, positions[head.lane])


async def _print_page(
    connection: "asyncpg.Connection[asyncpg.Record]", wanted: _Wanted, head: LaneHead, after: int
) -> int:
    page = await read_page(connection, head.tenant_id, head.lane, after, up_to=head.head, limit=_PAGE)
    for event in page:
        if not wanted.types or event.type.startswith(wanted.types):
            click.echo(_json(event) if wanted.as_json else line(event))
    return page[-1].position if page else head.head


def line(event: LoggedEvent) -> str:
    """Give an event in one line for people: when, where, what, who, which amounts."""
    body: Mapping[str, object] = msgspec.json.decode(event.data)
    words = " ".join(f"{name}={_word(value)}" for name, value in body.items())
    if len(words) > _BODY_WIDTH:
        words = words[: _BODY_WIDTH - 1] + "…"
    at = event.recorded_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"{at} {event.tenant_id}/{event.position} {event.type} {event.actor} {words}".rstrip()


def _word(value: object) -> str:
    return value if isinstance(value, str) and " " not in value else msgspec.json.encode(value).decode()


def _json(event: LoggedEvent) -> str:
    """Give all of an event as one JSON object; the body is a member of it."""
    members = msgspec.structs.asdict(event) | {"data": msgspec.Raw(event.data)}
    members["effects"] = [
        {"account_id": account_id, "posted": posted, "held": held}
        for account_id, posted, held in zip(event.account_ids, event.posted, event.held, strict=True)
    ]
    for name in ("account_ids", "posted", "held"):
        del members[name]
    return msgspec.json.encode(members).decode()
