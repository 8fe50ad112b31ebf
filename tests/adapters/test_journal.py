"""The node's journal: what was written survives a death, and nothing else comes back."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.journal import Journal
from domain.ids import HoldId
from domain.ledger.commands import Command
from tests.support.ledger import Sender

SENDER = Sender(5)
MEBIBYTE = 2**20


@pytest.fixture
def file_size_limit() -> Iterator[int]:
    """Let no file of this process grow beyond some bytes: to a writer the same as a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def terminal(name: object, money_nanos: int = 1, *, size: int = 2) -> Command:
    return SENDER.end(name, money_nanos, data=b"x" * size)


def journal(folder: Path, node: str = "one", bytes_max: int = 64 * MEBIBYTE) -> Journal:
    return Journal(folder, node, bytes_max)


def die(dying: Journal) -> None:
    """Let go as a killed process does: descriptors close, files stay."""
    for segment in dying._segments:
        os.close(segment.file)
    dying._segments = []


def recovered(folder: Path, node: str = "heir") -> list[Command]:
    heir = journal(folder, node)
    try:
        return heir.recover()
    finally:
        heir.discard_recovered()
        heir.close()


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.journal")
    return path


def test_the_last_record_of_each_hold_survives_a_death(tmp_path: Path) -> None:
    dying = journal(tmp_path)
    for command in (terminal("a", 1), terminal("b", 2), terminal("a", 3)):
        dying.write(command)
    die(dying)

    assert recovered(tmp_path) == [terminal("a", 3), terminal("b", 2)]


def test_what_was_recovered_and_discarded_does_not_come_back(tmp_path: Path) -> None:
    dying = journal(tmp_path)
    dying.write(terminal("a"))
    die(dying)
    heir = journal(tmp_path, "heir")

    assert heir.recover() == [terminal("a")]
    assert journal(tmp_path, "rival").recover() == [], "while the heir replays, nobody else does"
    heir.discard_recovered()

    assert recovered(tmp_path, "next") == []


def test_an_heir_that_dies_while_it_replays_leaves_everything_to_the_next(tmp_path: Path) -> None:
    dying = journal(tmp_path)
    dying.write(terminal("a"))
    die(dying)
    heir = journal(tmp_path, "heir")
    heir.recover()
    for _, file in heir._recovered:
        os.close(file)
    die(heir)

    assert recovered(tmp_path, "next") == [terminal("a")]


@pytest.mark.parametrize("cut", [1, 4, 7, 8, 9, 40])
def test_a_torn_tail_ends_a_file_and_hides_nothing_before_it(tmp_path: Path, cut: int) -> None:
    dying = journal(tmp_path)
    dying.write(terminal("a"))
    whole = only_file(tmp_path).stat().st_size
    dying.write(terminal("b", size=100))
    die(dying)
    os.truncate(only_file(tmp_path), whole + cut)

    assert recovered(tmp_path) == [terminal("a")]


def test_a_changed_byte_ends_a_file_where_it_is(tmp_path: Path) -> None:
    dying = journal(tmp_path)
    for name in "abc":
        dying.write(terminal(name))
    die(dying)
    path = only_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    assert recovered(tmp_path) == [terminal("a")]


def test_a_file_whose_owner_lives_is_left_alone(tmp_path: Path) -> None:
    """By another process, since a lock of the same process would prove less."""
    owner = journal(tmp_path)
    owner.write(terminal("a"))

    assert _recover_elsewhere(tmp_path) == 0
    die(owner)
    assert _recover_elsewhere(tmp_path) == 1


def _recover_elsewhere(folder: Path) -> int:
    code = (
        "import sys, pathlib; from adapters.journal import Journal; "
        "heir = Journal(pathlib.Path(sys.argv[1]), 'heir', 10**6); print(len(heir.recover())); heir.close()"
    )
    run = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    return int(run.stdout)


def test_a_file_that_vanishes_under_the_one_who_recovers_it_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = journal(tmp_path)
    dying.write(terminal("a"))
    die(dying)
    path = only_file(tmp_path)
    heir = journal(tmp_path, "heir")
    real_open = os.open

    def remove_after_opening(name: Path, flags: int, *rest: int) -> int:
        file = real_open(name, flags, *rest)
        if name == path:
            path.unlink()
        return file

    monkeypatch.setattr(os, "open", remove_after_opening)

    assert heir.recover() == [terminal("a")], "sent again it is answered `exists`"
    heir.discard_recovered()


def test_a_file_has_its_name_only_once_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl  # noqa: PLC0415 # the module under test holds the same one

    seen: list[list[Path]] = []
    real_flock = fcntl.flock

    def flock(file: int, operation: int) -> None:
        seen.append(list(tmp_path.glob("*.journal")))
        real_flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    journal(tmp_path)

    assert seen == [[]]


def test_settled_holds_leave_no_file_behind(tmp_path: Path) -> None:
    clean = journal(tmp_path)
    for name in "ab":
        clean.write(terminal(name))
        clean.settled(_hold(name))
    clean.close()

    assert list(tmp_path.iterdir()) == []


def test_a_clean_end_with_something_open_leaves_it_to_the_next_process(tmp_path: Path) -> None:
    ending = journal(tmp_path)
    ending.write(terminal("a"))
    ending.close()
    ending.settled(_hold("a"))  # an answer that came too late changes nothing

    assert recovered(tmp_path) == [terminal("a")]


def test_segments_are_removed_once_nothing_in_them_is_open(tmp_path: Path) -> None:
    busy = journal(tmp_path)
    busy.write(terminal("long"))
    for number in range(20):
        busy.write(terminal(number, size=MEBIBYTE))
    assert len(list(tmp_path.glob("*.journal"))) == 3

    for number in range(20):
        busy.settled(_hold(number))
    assert len(list(tmp_path.glob("*.journal"))) == 2, "the first, with the long one, and the one being written"
    busy.settled(_hold("long"))
    assert only_file(tmp_path).stat().st_size == 0
    assert busy.open_holds == 0


def test_a_newer_record_in_a_newer_segment_counts(tmp_path: Path) -> None:
    dying = journal(tmp_path)
    dying.write(terminal("a", 1))
    dying.write(terminal("pin"))
    for number in range(9):
        dying.write(terminal(number, size=MEBIBYTE))
    dying.write(terminal("a", 2))
    die(dying)

    came_back = {command.hold_id: command for command in recovered(tmp_path)}
    assert came_back[_hold("a")] == terminal("a", 2)
    assert _hold("pin") in came_back


def test_it_is_full_only_while_something_waits(tmp_path: Path) -> None:
    small = journal(tmp_path, bytes_max=1000)
    small.write(terminal("a", size=2000))
    assert small.is_full
    small.settled(_hold("a"))
    assert not small.is_full


def test_a_full_disk_is_an_error_that_harms_no_record(tmp_path: Path, file_size_limit: int) -> None:
    full = journal(tmp_path)
    full.write(terminal("a"))
    with pytest.raises(OSError, match=r"full|large"):
        full.write(terminal("a", 2, size=file_size_limit))
    full.write(terminal("b", 3))
    die(full)

    assert recovered(tmp_path) == [terminal("a"), terminal("b", 3)]


def test_room_is_told_by_trying_and_trying_leaves_nothing(tmp_path: Path, file_size_limit: int) -> None:
    full = journal(tmp_path)
    full.write(terminal("a", size=file_size_limit - 10_000))
    before = only_file(tmp_path).read_bytes()

    assert not full.has_room()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    assert full.has_room()
    assert only_file(tmp_path).read_bytes() == before


def test_a_record_torn_by_a_full_disk_without_an_error_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = journal(tmp_path)
    full.write(terminal("a"))
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real_write(file, data[: len(data) // 2]))
    with pytest.raises(OSError, match="full"):
        full.write(terminal("torn"))
    monkeypatch.setattr(os, "write", real_write)
    full.write(terminal("b"))

    # The control: were torn bytes left where they are, what is written after them would be hidden.
    monkeypatch.setattr(os, "write", lambda file, data: real_write(file, data[: len(data) // 2]))
    with monkeypatch.context() as broken:
        broken.setattr(os, "ftruncate", lambda *_: None)
        with pytest.raises(OSError, match="full"):
            full.write(terminal("torn for good"))
    monkeypatch.undo()
    full.write(terminal("c"))
    die(full)

    assert recovered(tmp_path) == [terminal("a"), terminal("b")]


def test_what_syncs_may_run_while_its_files_are_closed(tmp_path: Path) -> None:
    busy = journal(tmp_path)
    busy.write(terminal("a", size=9 * MEBIBYTE))
    busy.write(terminal("b"))
    wait = busy.syncing()
    busy.settled(_hold("a"))
    wait()
    with pytest.raises(OSError, match="Bad file"):
        wait()


def _hold(name: object) -> HoldId:
    hold_id = terminal(name).hold_id
    assert hold_id is not None
    return hold_id
