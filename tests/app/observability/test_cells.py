"""Figures over processes that live, die and are followed by others."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.observability.cells import Cells, Series, clear
from app.observability.exposition import merged
from app.observability.instruments import Instruments
from app.observability.metrics import HTTP_ACTIVE, LOOP_LAG_MAX, REFUSALS, WORKERS

COUNT = (REFUSALS.name, "no_money")
GAUGE = (HTTP_ACTIVE.name, "model")

_COUNTER = """
import sys
from pathlib import Path
from app.observability.cells import Cells
cells = Cells(Path(sys.argv[1]), sys.argv[2])
at, gauge = cells.place(("tallygate_refusals", "no_money")), cells.place(("http_server_active_requests", "model"))
while line := sys.stdin.readline():
    cells.numbers[at] += float(line)
    cells.numbers[gauge] = 7
    print("counted", flush=True)
"""


class Worker:
    """Another process that counts."""

    def __init__(self, folder: Path, name: str) -> None:
        command = (sys.executable, "-c", _COUNTER, str(folder), name)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def count(self, amount: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{amount}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "counted\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def totals(series: list[Series]) -> tuple[float, float]:
    """Give the counter and the gauge over all processes."""
    found = merged(series)
    count = found.get(REFUSALS, {}).get(("no_money",), [0.0])[0]
    return count, found.get(HTTP_ACTIVE, {}).get(("model",), [0.0])[0]


def test_what_a_killed_process_had_counted_stays_and_its_gauges_go(tmp_path: Path) -> None:
    first, second = Worker(tmp_path, "first"), Worker(tmp_path, "second")
    first.count(3)
    second.count(4)
    own = Cells(tmp_path, "own")
    own.numbers[own.place(COUNT)] += 10
    own.numbers[own.place(GAUGE)] = 1
    assert totals(own.read(tmp_path)) == (17, 15)

    first.kill()
    assert totals(own.read(tmp_path)) == (17, 8)

    # The one that comes in its place takes its file and counts on; there are no more files than workers at once.
    third = Worker(tmp_path, "third")
    third.count(100)
    assert totals(own.read(tmp_path)) == (117, 15)
    assert len(list(tmp_path.glob("*.cells"))) == 3
    for worker in (second, third):
        worker.kill()
    assert totals(own.read(tmp_path)) == (117, 1)
    own.close()


def test_gauges_of_the_former_holder_of_a_file_begin_anew(tmp_path: Path) -> None:
    dead = Worker(tmp_path, "dead")
    dead.count(5)
    dead.kill()
    cells = Cells(tmp_path, "next")
    assert totals(cells.read(tmp_path)) == (5, 7), "the control: as the dead process left it"
    instruments = Instruments(cells, now=lambda: None)

    assert totals(cells.read(tmp_path)) == (5, 0)
    assert merged(cells.read(tmp_path))[WORKERS] == {(): [1.0]}
    instruments.refused("no_money")
    assert totals(cells.read(tmp_path)) == (6, 0)
    cells.close()


def test_a_closed_file_is_anybodys(tmp_path: Path) -> None:
    cells = Cells(tmp_path, "one")
    cells.numbers[cells.place(COUNT)] = 2
    cells.close()
    other = Cells(tmp_path, "two")

    assert totals(other.read(tmp_path)) == (2, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["one.cells"]
    other.close()


def test_a_new_server_begins_at_zero_and_takes_nothing_from_a_living_one(tmp_path: Path) -> None:
    living, dead = Cells(tmp_path, "living"), Worker(tmp_path, "dead")
    dead.count(1)
    dead.kill()
    (tmp_path / "half.new").write_bytes(b"")
    clear(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["living.cells"]
    living.close()
    clear(tmp_path / "missing")


def test_figures_merge_by_sum_or_by_maximum() -> None:
    series = [Series((LOOP_LAG_MAX.name,), (value,), live=True) for value in (0.1, 0.7, 0.3)]
    series += [Series((WORKERS.name,), (1.0,), live=True)] * 3 + [Series(("of_another_version",), (9.0,), live=True)]

    assert merged(series) == {LOOP_LAG_MAX: {(): [0.7]}, WORKERS: {(): [3.0]}}


def test_what_finds_no_room_is_counted_nowhere_and_breaks_nothing(tmp_path: Path) -> None:
    cells = Cells(tmp_path, "full")
    first = cells.place(COUNT)
    for number in range(40_000):
        cells.numbers[cells.place(("tallygate_refusals", str(number)))] += 1
    cells.numbers[first] += 1
    read = cells.read(tmp_path)

    assert 20_000 < len(read) < 40_000
    assert {series.numbers for series in read} == {(1.0,)}
    cells.close()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_no_file_costs_only_the_sharing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    cells = Cells(tmp_path, "alone")
    cells.numbers[cells.place(COUNT)] += 1

    assert totals(cells.read(tmp_path)) == (1, 0)
    cells.close()


def test_what_is_no_file_of_ours_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "garbage.cells").write_bytes(b"x" * 100)
    cells = Cells(tmp_path, "own")
    cells.numbers[cells.place(COUNT)] += 1

    assert totals(cells.read(tmp_path)) == (1, 0)
    cells.close()
