"""What goes on beside the serving of requests, in a process of its own: folding, sealing, closing.

All of it reads the log and writes read models, seals and statements; none of it writes the log. So it can be killed and
started again at any moment, and requests are served meanwhile. A server has one such process, however many workers it
has; of those of several servers one folds and one seals, under a lease and a lock in the database.
"""

import asyncio
import contextlib
from typing import Final

import asyncpg

from adapters.hints import hearing
from adapters.postgres.connection import Connection
from app.jobs import Jobs
from app.node import NodeReporter
from app.observability.cells import Cells
from app.observability.metrics import GAUGES
from app.observability.process_figures import ProcessFigures
from app.observability.wiring import metrics_folder
from app.process import node_name, spare_collections
from app.projections import PROJECTIONS
from app.reports.closing import Closer
from app.reports.statement_closing import StatementCloser
from app.seal_heads import publishing
from app.sealer import KeyFile, Sealer
from app.settings import Settings
from projections.runner import Runner

_LOOK_SECONDS: Final = 1.0


async def run(settings: Settings, dsn: str, *, hints: int) -> None:
    """Fold, seal and close until cancelled; `hints` is the pipe that tells which lanes have moved."""
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            asyncpg.create_pool(
                dsn,
                min_size=2,
                max_size=8,
                timeout=5.0,
                connection_class=Connection,
                server_settings={"application_name": "tallygate background"},
            )
        )
        jobs, node = Jobs(), node_name("background")
        heads = await stack.enter_async_context(
            publishing(pool, file=settings.seal_heads_file, url=settings.seal_heads_url, rules=settings.outbound_allow)
        )
        runner = Runner(pool, PROJECTIONS)
        for part in (
            runner,
            Sealer(pool, KeyFile(settings.seal_key_file), on_seal=heads.notice, jobs=jobs),
            Closer(pool, jobs=jobs),
            StatementCloser(pool, jobs=jobs),
            NodeReporter(pool, node=node, vitals=None, jobs=jobs),
        ):
            await part.start()
            stack.push_async_callback(part.stop)
        stack.enter_context(hearing(hints, runner.notice))
        cells = Cells(metrics_folder(settings.data), node)
        cells.forget(GAUGES)
        stack.callback(cells.close)
        figures = ProcessFigures(cells)
        spare_collections()
        while True:
            figures.look()
            await asyncio.sleep(_LOOK_SECONDS)
