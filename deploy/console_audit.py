"""Checks the signatures of the console's packages: that the registry gave what was published under their names.

`npm audit signatures` does it, where the registry gives its keys; a mirror may have none. That is said and no failure,
unless it is required. The lock file's digests hold either way: npm refuses a package whose content is another.
"""

import argparse
import json
import subprocess
import sys
from typing import Any, Final, NamedTuple

from deploy.console_build import CONSOLE, BuildError, install, npm_command

_SECONDS_MAX: Final = 300


class Verdict(NamedTuple):
    """What the check came to, in a line."""

    words: str
    is_checked: bool
    is_good: bool


def judge(status: int, printed: str) -> Verdict:
    """Read what `npm audit signatures --json` printed: what is wrong with which package, or why it could not tell."""
    try:
        said: Any = json.loads(printed or "{}")
    except ValueError:
        return Verdict("signatures were not checked: npm printed no JSON", is_checked=False, is_good=False)
    wrong = [
        f"{each.get('name')}@{each.get('version')} ({kind} signature)"
        for kind in ("invalid", "missing")
        for each in (said.get(kind) or ())
    ]
    if wrong:
        return Verdict(f"signatures are wrong: {', '.join(wrong)}", is_checked=True, is_good=False)
    if status != 0:
        reason = (said.get("error") or {}).get("code") or "no reason given"
        words = f"signatures were not checked: the keys for that could not be had ({reason})"
        return Verdict(words, is_checked=False, is_good=False)
    return Verdict("signatures are those of the registry", is_checked=True, is_good=True)


def main() -> int:
    """Check, say so in a line, and give the exit status."""
    parser = argparse.ArgumentParser(description="Check the signatures of the console's packages.")
    parser.add_argument("--required", action="store_true", help="fail where they cannot be checked")
    chosen = parser.parse_args()
    try:
        install(CONSOLE)
        command, environ = npm_command("audit", "signatures", "--json")
        done = subprocess.run(  # noqa: S603 -- no part of the command comes from outside
            command, cwd=CONSOLE, env=environ, capture_output=True, check=False, text=True, timeout=_SECONDS_MAX
        )
    except BuildError as error:
        print(error, file=sys.stderr)  # noqa: T201 -- it is a command
        return 1
    verdict = judge(done.returncode, done.stdout)
    print(verdict.words, file=sys.stderr)  # noqa: T201 -- it is a command
    return 0 if verdict.is_good or not (verdict.is_checked or chosen.required) else 1


if __name__ == "__main__":
    sys.exit(main())
