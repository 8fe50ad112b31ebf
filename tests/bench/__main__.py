"""`make bench`: what Tallygate costs beside the bare relay, measured in one run, in at most ten minutes.

(a) is an aiohttp pass-through under the same server, with no token, price or ledger; (b) is Tallygate with everything
on, its ledger in the embedded PostgreSQL with fsync. Both call the same mock vendor and take turns.
"""

import argparse
import datetime as dt
import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import structlog
import uvloop

from tests.bench.core import BATCHES, measure_core
from tests.bench.processes import ROOT
from tests.bench.relay import Bench, Budget, Plan
from tests.bench.report import Surroundings, render

_SECONDS_MAX = 570.0
_RESULTS = ROOT / "bench-results"
_QUICK = Plan(
    workers=(1,),
    concurrencies=(1, 64),
    workloads=("plain", "stream, 20 ms"),
    tenants=200,
    rounds=1,
    seconds=1.5,
    paced_seconds=2.0,
    lag_seconds=2.0,
)


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")


async def _run(folder: Path, *, quick: bool) -> str:
    budget = Budget(_SECONDS_MAX)
    surroundings = Surroundings.look(folder)
    core = await measure_core(
        folder / "core",
        rounds=1 if quick else 3,
        seconds=0.4 if quick else 0.8,
        batches=(1, 100) if quick else BATCHES,
        report=_say,
    )
    relay = await Bench(_QUICK if quick else Plan(), budget, _say).run(folder / "data")
    return render(surroundings, core, relay, quick=quick)


def main() -> None:
    """Measure, print the table, and keep it."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure Tallygate against the bare relay limit")
    parser.add_argument("--quick", action="store_true", help="a subset in about a minute, to see that it works")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    _RESULTS.mkdir(exist_ok=True)
    # On the same disk as the checkout, for /tmp is often in memory, where fsync costs nothing.
    folder = Path(tempfile.mkdtemp(prefix=".data-", dir=_RESULTS))
    try:
        table = uvloop.run(_run(folder, quick=arguments.quick))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    name = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H%M%SZ}{'-quick' if arguments.quick else ''}.md"
    (_RESULTS / name).write_text(table)
    sys.stdout.write(table)
    _say(f"kept in {os.path.relpath(_RESULTS / name)}")


if __name__ == "__main__":
    main()
