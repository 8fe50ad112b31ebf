"""The console as it was built: every file in memory, beside it what was compressed at build time.

`deploy/console_build.py` writes the folder. It is read once: a page and the scripts that it names are of one build.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

DIST: Final = Path(__file__).parent.parent / "console" / "dist"
INDEX: Final = "index.html"
ASSETS: Final = "assets/"
"""What is under it has a hash of its content in its name."""
_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
"""The smallest first."""
_PRIVATE: Final = frozenset({INDEX, "build.json", "manifest.json"})
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""Our own, for the system's table differs from machine to machine."""
_PLACE: Final = re.compile("(?:<!--)?__(BASE|LANG|ME|NONCE|PARTS|SITE|TITLE)__(?:-->)?")
_MANIFEST: Final = "manifest.json"
_TEXTS: Final = {"en": "src/i18n/faces/en", "zh-CN": "src/i18n/faces/zh"}
_DRAWING: Final = "src/main.tsx"
"""What the first script loads once it has asked what the page shows."""
_HUMP: Final = re.compile("(?=[A-Z])")


class BuiltFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its bodies by encoding, and what browsers are told about it."""

    bodies: Mapping[str, bytes]
    """`identity`, and what was compressed."""
    content_type: str
    etag: str
    is_immutable: bool

    def choose(self, accepted: str) -> tuple[str, bytes]:
        """Give encoding and body for an Accept-Encoding header."""
        weights = _weights(accepted)
        for encoding in _ENCODINGS:
            if encoding in self.bodies and weights.get(encoding, weights.get("*", 0.0)) > 0:
                return encoding, self.bodies[encoding]
        return "identity", self.bodies["identity"]


class Build(msgspec.Struct, frozen=True):
    """A built console."""

    template: tuple[str, ...]
    """The page, cut at its placeholders: text and the name of a placeholder in turn."""
    files: Mapping[str, BuiltFile]
    """By path below the base, such as `assets/main-1a2b3c.js`."""
    parts: "Parts"

    @classmethod
    def read(cls, folder: Path = DIST) -> "Build | None":
        """Read a build; None if nothing was built."""
        if not (folder / INDEX).is_file():
            return None
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        plain = {name for name in paths if not name.endswith(tuple(_ENCODINGS.values()))} - _PRIVATE
        files = {name: _file(name, paths) for name in sorted(plain) if paths[name].suffix in _TYPES}
        manifest = (
            msgspec.json.decode(paths[_MANIFEST].read_bytes(), type=dict[str, _Chunk]) if _MANIFEST in paths else {}
        )
        return cls(template=cut(paths[INDEX].read_text(encoding="utf-8")), files=files, parts=Parts(manifest))

    def page(self, values: Mapping[str, str]) -> str:
        """Give the page with a value, which is HTML, in each place. Values are not looked through for placeholders."""
        return "".join(values[part] if at % 2 else part for at, part in enumerate(self.template))


class _Chunk(msgspec.Struct, frozen=True, rename="camel"):
    """A file of the build, as Vite's manifest names it."""

    file: str
    is_dynamic_entry: bool = False
    imports: tuple[str, ...] = ()


class Parts:
    """The scripts that a page needs beside the first one.

    Without them in the page, a browser would learn of each only from the one before: the page of an address is told by
    its folder, which is named as the address is.
    """

    def __init__(self, manifest: Mapping[str, _Chunk]) -> None:
        """Take the manifest of a build."""
        self._manifest = manifest
        self._first = self._with_imports([INDEX])
        self._pages: dict[tuple[str, str], list[str]] = {}
        """By folder, such as `admin/live`, and whether the address goes on below it."""
        for name, chunk in manifest.items():
            match name.split("/"):
                case ["src", "pages", face, area, module] if chunk.is_dynamic_entry:
                    depth = "" if module.startswith("page.") else "below"
                    self._pages.setdefault((f"{face}/{_address(area)}", depth), []).append(name)
                case _:
                    pass

    def of(self, path: str, language: str) -> list[str]:
        """Give the files for a path below the base, without a slash at its ends."""
        first, *rest = path.split("/")
        if first == "admin":
            face, frame, texts = "admin", "AdminFrame", ["public", "tenant", "admin"]
        elif first == "t":
            face, frame, texts, rest = "tenant", "TenantFrame", ["public", "tenant"], rest[1:]
        else:
            face, frame, texts, rest = "public", "PublicFrame", ["public"], [first, *rest]
        area, below = (rest[0] if rest else "", "below" if len(rest) > 1 else "")
        wanted = [
            _DRAWING,
            *(f"{_TEXTS[language]}/{each}.ts" for each in texts),
            f"src/shell/{frame}.tsx",
            *self._pages.get((f"{face}/{area}", below), ()),
        ]
        return [file for file in self._with_imports(wanted) if file not in self._first]

    def _with_imports(self, names: Iterable[str]) -> dict[str, None]:
        """Give the files of chunks and of all that they import, each once, in order."""
        found: dict[str, None] = {}
        seen: set[str] = set()
        waiting = list(names)
        for name in waiting:
            chunk = self._manifest.get(name)
            if chunk is not None and name not in seen:
                seen.add(name)
                found[chunk.file] = None
                waiting += chunk.imports
        return found


def _address(area: str) -> str:
    """Give how an area stands in an address: `signUp` as `sign-up`, and `home` as nothing."""
    return "" if area == "home" else _HUMP.sub("-", area).lower()


def cut(template: str) -> tuple[str, ...]:
    """Cut a page at its placeholders."""
    return tuple(_PLACE.split(template))


def _file(name: str, paths: Mapping[str, Path]) -> BuiltFile:
    body = paths[name].read_bytes()
    bodies = {"identity": body}
    for encoding, ending in _ENCODINGS.items():
        if name + ending in paths:
            bodies[encoding] = paths[name + ending].read_bytes()
    return BuiltFile(
        bodies=bodies,
        content_type=_TYPES[paths[name].suffix],
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        is_immutable=name.startswith(ASSETS),
    )


def _weights(header: str) -> dict[str, float]:
    """Give what a header such as Accept-Encoding or Accept-Language lists, in lower case, with its weights."""
    weights = {}
    for part in header.split(","):
        name, _, parameters = part.strip().lower().partition(";")
        quality = parameters.replace(" ", "").removeprefix("q=") if parameters else "1"
        try:
            weights[name.strip()] = float(quality)
        except ValueError:
            weights[name.strip()] = 0.0
    return weights


def language_of(accepted: str) -> str:
    """Give the console's language for an Accept-Language header: the one of ours that is liked best, or English."""
    liked = sorted(_weights(accepted).items(), key=lambda each: each[1], reverse=True)
    ours = (name.partition("-")[0] for name, weight in liked if weight > 0)
    return "zh-CN" if next((name for name in ours if name in {"en", "zh"}), "en") == "zh" else "en"
