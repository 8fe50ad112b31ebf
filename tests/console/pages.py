"""Every page of the console, read from the console's own routes, so that none can be left out."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.server import REPOSITORY

CONSOLE: Final = REPOSITORY / "app" / "console"
_ROUTE: Final = re.compile(
    r"(?:export const (?P<name>\w+) = )?createRoute\(\{\s*getParentRoute: \(\) => (?P<parent>\w+),"
    r"\s*(?:(?:path: \"(?P<path>[^\"]*)\")|(?:id: \"\w+\"))"
)
_ROOT: Final = "rootRoute"


class Page(NamedTuple):
    """A page: its path, with parameters such as `$tenantId` in it, and which of the three faces it belongs to."""

    path: str
    face: str
    """`admin`, `tenant` or `public`."""

    @property
    def slug(self) -> str:
        """A name for files: `admin-channels`."""
        return re.sub(r"[^\w]+", "-", self.path.replace("/t/$tenantId", "/tenant")).strip("-") or "home"

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\$(\w+)", self.path)


def pages() -> list[Page]:
    """Give every page, in the order of the files."""
    routes: dict[str, tuple[str, str]] = {}
    files = sorted((CONSOLE / "src" / "router").glob("roots.ts*")) + sorted(CONSOLE.glob("src/pages/*/*/routes.ts*"))
    for file in files:
        text = file.read_text(encoding="utf-8")
        found = list(_ROUTE.finditer(text))
        if len(found) != text.count("createRoute({"):
            raise AssertionError(f"{file}: a route is written in a way that tests/console/pages.py cannot read")
        for each in found:
            routes[each["name"] or f"{file}:{each.start()}"] = (each["parent"], each["path"] or "")
    parents = {parent for parent, _ in routes.values()}
    paths = {name: _whole(routes, name) for name in routes}
    # A frame around other pages is none; a page with pages below it is one.
    frames = {"adminRoute", "tenantRoute", "publicRoute", "adminIndexRoute"}
    assert frames <= routes.keys() or not routes, "the frames have other names now"
    assert parents <= routes.keys() | {_ROOT}
    found_pages = {Page(path, _face(path)) for name, path in paths.items() if name not in frames}
    return sorted(found_pages)


def _whole(routes: dict[str, tuple[str, str]], name: str) -> str:
    if name == _ROOT:
        return ""
    parent, path = routes[name]
    above = _whole(routes, parent)
    return f"{above}/{path.strip('/')}".rstrip("/") if path.strip("/") else above


def _face(path: str) -> str:
    first = path.strip("/").partition("/")[0]
    return {"admin": "admin", "t": "tenant"}.get(first, "public")


def source(path: str) -> Path:
    """Give a file of the console's sources."""
    return CONSOLE / path
