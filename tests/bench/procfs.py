"""CPU and memory of processes, from /proc: what `make bench` charges each part with."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


class MachineCpu(msgspec.Struct, frozen=True):
    """Seconds of all cores together, since the machine started."""

    busy: float
    stolen: float
    """Taken by the host for other machines."""


def _stat(pid: int) -> list[str] | None:
    """Give the fields of a process after its name, which may have blanks in it; None if it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def cpu_seconds(pids: Iterable[int]) -> float:
    """Give what processes have used so far, with the children that they have seen end."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields is not None:
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS_PER_SECOND


def machine_cpu() -> MachineCpu:
    """Give what everybody on this machine has used so far."""
    user, nice, system, _idle, _wait, interrupt, softirq, stolen = map(
        int, (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    busy = user + nice + system + interrupt + softirq
    return MachineCpu(busy / _TICKS_PER_SECOND, stolen / _TICKS_PER_SECOND)


def process_tree(root: int) -> list[int]:
    """Give a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree = [root]
    for pid in tree:
        tree += children.get(pid, [])
    return tree


def is_postgres(pid: int) -> bool:
    """Say whether a process is the database server or one of its own."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip() == "postgres"
    except (FileNotFoundError, ProcessLookupError):
        return False


def resident_mebibytes(pids: Iterable[int]) -> float:
    """Give the memory of processes; what several share is divided among those that share it."""
    kibibytes = 0
    for pid in pids:
        try:
            rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        kibibytes += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return kibibytes / 1024


def processor_name() -> str:
    """Give the processor's name as the kernel has it."""
    for line in (_PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
