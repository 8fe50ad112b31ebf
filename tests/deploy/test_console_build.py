"""How the console is built, on a package of a few lines that needs nothing from the network."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from deploy import console_build
from deploy.console_build import BuildError, build, is_current, source_hash

_PAGE = "__BASE__ __LANG__ __ME__ __NONCE__ __PARTS__ __SITE__ __TITLE__"
_BUILD = """
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist/assets", { recursive: true });
cpSync("index.html", "dist/index.html");
writeFileSync("dist/assets/main-1.js", "x".repeat(2000) + readFileSync("src/main.js"));
writeFileSync("runs", "run ", { flag: "a" });
"""


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "console"
    (folder / "src").mkdir(parents=True)
    (folder / "tests").mkdir()
    package = {"name": "a", "version": "1.0.0", "scripts": {"build": "node src/build.mjs"}}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "package-lock.json").write_text(
        json.dumps({"name": "a", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": package}})
    )
    (folder / "index.html").write_text(_PAGE)
    (folder / "src" / "build.mjs").write_text(_BUILD.replace('"runs"', f'"{tmp_path}/runs"'))
    (folder / "src" / "main.js").write_text("1")
    monkeypatch.setattr(console_build, "CONSOLE", folder)
    monkeypatch.delenv(console_build.SWITCH, raising=False)
    return folder


def _runs(console: Path) -> int:
    runs = console.parent / "runs"
    return len(runs.read_text().split()) if runs.exists() else 0


def _depend(console: Path, registry: str) -> None:
    """Need a package of a registry that cannot be reached."""
    lock: Any = json.loads((console / "package-lock.json").read_text())
    lock["packages"][""]["dependencies"] = {"left-pad": "1.3.0"}
    lock["packages"]["node_modules/left-pad"] = {"version": "1.3.0", "integrity": "sha512-AAAA"}
    (console / "package-lock.json").write_text(json.dumps(lock))
    package = json.loads((console / "package.json").read_text()) | {"dependencies": {"left-pad": "1.3.0"}}
    (console / "package.json").write_text(json.dumps(package))
    (console / ".npmrc").write_text(f"registry={registry}\ncache={console.parent}/cache\n")


def test_what_was_built_is_recorded_and_compressed(console: Path) -> None:
    assert not is_current(console)

    build(console)

    script = (console / "dist" / "assets" / "main-1.js").read_bytes()
    assert gzip.decompress((console / "dist" / "assets" / "main-1.js.gz").read_bytes()) == script
    assert len((console / "dist" / "assets" / "main-1.js.br").read_bytes()) < 100
    record = json.loads((console / "dist" / "build.json").read_text())
    assert set(record["files"]) == {"index.html", *(f"assets/main-1.js{ending}" for ending in ("", ".br", ".gz"))}
    assert (record["source"], record["node"].startswith("v24.")) == (source_hash(console), True)
    assert is_current(console)


def test_what_is_of_the_present_sources_is_not_built_again(console: Path) -> None:
    build(console)
    (console / "tests" / "some.test.ts").write_text("a test is not built")
    (console / "README.md").write_text("nor are words")
    build(console)
    assert _runs(console) == 1

    (console / "src" / "main.js").write_text("2")
    assert not is_current(console)
    build(console)

    assert _runs(console) == 2
    assert is_current(console)


def test_what_was_tampered_with_or_broken_off_is_built_again(console: Path) -> None:
    build(console)
    built = console / "dist" / "assets" / "main-1.js"
    built.write_text("something else")
    assert not is_current(console)
    build(console)
    built.with_suffix(".js.br").unlink()
    assert not is_current(console)
    build(console)
    (console / "dist" / "build.json").write_text("{")
    assert not is_current(console)
    build(console)

    assert _runs(console) == 4


def test_the_same_sources_give_the_same_record(console: Path) -> None:
    build(console)
    first = (console / "dist" / "build.json").read_bytes()
    (console / "dist" / "build.json").unlink()

    build(console)

    assert (console / "dist" / "build.json").read_bytes() == first


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("__BASE__ __LANG__ __ME__ __PARTS__ __SITE__ __TITLE__", "index.html lacks __NONCE__"),
        (f"{_PAGE}<script>x</script>", "content security policy"),
        (f"{_PAGE}<p style='color:red'>", "content security policy"),
    ],
)
def test_a_page_that_could_not_be_served_is_no_build(console: Path, page: str, said: str) -> None:
    (console / "index.html").write_text(page)

    with pytest.raises(BuildError, match=said):
        build(console)

    assert not is_current(console)


def test_source_maps_are_not_shipped(console: Path) -> None:
    with (console / "src" / "build.mjs").open("a") as script:
        script.write('writeFileSync("dist/assets/main-1.js.map", "{}");')

    with pytest.raises(BuildError, match="source maps are not shipped"):
        build(console)


def test_a_build_that_fails_leaves_nothing_that_looks_whole_and_says_what_was_printed(
    console: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(console)
    (console / "src" / "build.mjs").write_text("throw new Error('no such color')")

    assert console_build.main([]) == 1

    told = capsys.readouterr().err
    assert "the console is not built: npm run build failed: " in told
    assert "Error: no such color" in told
    assert not is_current(console)


def test_without_the_registry_it_is_said_in_a_line_and_the_server_may_start(
    console: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _depend(console, "http://127.0.0.1:9")

    assert console_build.main(["--optional"]) == 0

    *steps, told = capsys.readouterr().err.splitlines()
    assert steps == ["installing the console's packages from the npm registry"]
    assert told.startswith("the console is not built, the API is served without it: npm ci --ignore-scripts failed: ")
    assert "ECONNREFUSED" in told


def test_who_wants_no_console_needs_no_node(console: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(console_build.SWITCH, "off")

    assert console_build.main([]) == 0

    assert not (console / "dist").exists()
