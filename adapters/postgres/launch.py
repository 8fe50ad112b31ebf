"""Becomes PostgreSQL: gives up root, asks to be stopped when the parent dies, then executes the command.

Run as a script by `embedded.py`, never imported by it: what happens here must not happen in a copy of a
process that has threads, and it needs the standard library only. Its arguments are: the parent's pid, the user
and group to become (or "-" to stay who we are), the directory that the command works on, and the command.

PostgreSQL refuses to run as root, so root becomes an ordinary user first. That user may not be able to walk to
the data or to the binaries, say because a parent directory is root's own with mode 0700. Nobody's permissions are
changed for that. The process keeps one capability instead, the one that lets it search directories
(CAP_DAC_READ_SEARCH, or where a container withholds it CAP_DAC_OVERRIDE), as an ambient one, so that it outlives
execve.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 4
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_CAP_SETPCAP = 8

_CANNOT_EXECUTE = 126
_IS_LINUX = sys.platform == "linux"


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Words(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


class _LaunchError(Exception):
    pass


def main(arguments: list[str]) -> None:
    """Execute the command; return only by raising _LaunchError or OSError."""
    parent, user, group, directory, *command = arguments
    os.umask(0o077)
    if user != "-":
        _become(int(user), int(group))
        if not _can_reach(command[0], directory):
            _keep_search_capability(command[0], directory, int(user))
    _follow_parent(int(parent))
    # Python ignores SIGPIPE, and an ignored signal stays ignored after execve.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - the binaries of the package, without a shell


def _become(user: int, group: int) -> None:
    """Change to the user for good, keeping the permitted capabilities until execve."""
    if _IS_LINUX:
        _prctl(_PR_SET_KEEPCAPS, 1)
    try:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    except PermissionError as error:
        raise _LaunchError(
            "root may not change to another user here (no CAP_SETUID), and PostgreSQL refuses to be root: "
            "run Tallygate as an ordinary user, or set TALLYGATE_DATABASE_URL"
        ) from error


def _can_reach(executable: str, directory: str) -> bool:
    """Tell whether this user, with its present capabilities, gets at the binaries and the data."""
    if not os.access(executable, os.R_OK | os.X_OK):
        return False
    try:
        os.close(os.open(directory, os.O_RDONLY | os.O_DIRECTORY))
    except OSError:
        return False
    return True


def _keep_search_capability(executable: str, directory: str, user: int) -> None:
    if _IS_LINUX:
        permitted = _permitted()
        for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
            if permitted & 1 << capability:
                _raise_ambient(capability, permitted)
                if _can_reach(executable, directory):
                    return
    raise _LaunchError(
        f"user number {user} can read neither through every parent of {directory} nor of {executable}: "
        "move the data (TALLYGATE_DATA) and the program to where it can, or run Tallygate as an ordinary user"
    )


def _raise_ambient(capability: int, permitted: int) -> None:
    """Keep `capability` through execve; the others stay permitted until then, for a second try."""
    if permitted & 1 << _CAP_SETPCAP:
        _capset(effective=1 << _CAP_SETPCAP, permitted=permitted, inheritable=0)
        # access(2), by which PostgreSQL looks for its own binaries, drops an ordinary user's capabilities
        # unless this bit says that user ids and capabilities have nothing to do with each other.
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    _capset(effective=1 << capability, permitted=permitted, inheritable=1 << capability)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _follow_parent(parent: int) -> None:
    """Ask for a fast shutdown when the parent dies; where that is not Linux, the next start sees to it."""
    if not _IS_LINUX:
        return
    # After every change of credentials, for each of them cancels it. It follows the thread that forked us,
    # not the process: our parent forks from its main thread only.
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))
    if os.getppid() != parent:
        raise _LaunchError("the parent died before its PostgreSQL had started")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *values: int) -> None:
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if _libc().prctl(option, *arguments):
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def _permitted() -> int:
    """Give the lower 32 permitted capabilities; all that matter here are among them."""
    words = (_Words * 2)()
    if _libc().capget(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), words):
        raise OSError(ctypes.get_errno(), f"capget: {os.strerror(ctypes.get_errno())}")
    return int(words[0].permitted)


def _capset(*, effective: int, permitted: int, inheritable: int) -> None:
    words = (_Words * 2)()
    words[0] = _Words(effective, permitted, inheritable)
    if _libc().capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), words):
        raise OSError(ctypes.get_errno(), f"capset: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (_LaunchError, OSError) as error:
        sys.stderr.write(f"FATAL:  {error}\n")
        sys.exit(_CANNOT_EXECUTE)
