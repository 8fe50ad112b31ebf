"""Which calls each resource has, as a table for docs/api.md made from the routes themselves."""

import re
from collections.abc import Iterator
from typing import Final

from app.api.document import document, operations
from app.api.routes import PATH

_HEAD: Final = ("resource", "list", "read", "create", "change", "archive", "restore", "history", "bulk", "more")


def resources_table() -> str:
    """Give the table: a row for each path that lists things and makes them."""
    methods: dict[str, set[str]] = {}
    for path, method, _ in operations(document()):
        methods.setdefault(path.removeprefix(PATH), set()).add(method)
    rows = [_row(path, methods) for path, has in methods.items() if {"get", "post"} <= has]
    return "\n".join([f"| {' | '.join(_HEAD)} |", "|" + "---|" * len(_HEAD), *rows])


def _row(path: str, methods: dict[str, set[str]]) -> str:
    one: set[str] = set()
    parts: set[str] = set()
    for each, has in methods.items():
        found = re.fullmatch(rf"{re.escape(path)}/\{{\w+\}}(?:/([\w-]+))?", each)
        if found is not None and found.group(1) is None:
            one |= has
        elif found is not None:
            parts.add(found.group(1))
    bulk = [name for name, has in (("create", f"{path}/bulk" in methods), ("change", "patch" in methods[path])) if has]
    cells = [
        f"`{path}`",
        "yes",
        _mark(has="get" in one),
        "yes",
        _mark(has="patch" in one),
        _mark(has="delete" in one),
        _mark(has="restore" in parts),
        _mark(has="history" in parts),
        " ".join(bulk),
        ", ".join(_more(parts, path, methods)),
    ]
    return f"| {' | '.join(cells)} |"


def _more(parts: set[str], path: str, methods: dict[str, set[str]]) -> Iterator[str]:
    for part in sorted(parts - {"restore", "history"}):
        # What is a resource itself has a row of its own.
        if not any(re.fullmatch(rf"{re.escape(path)}/\{{\w+\}}/{part}", p) and len(h) > 1 for p, h in methods.items()):
            yield part


def _mark(*, has: bool) -> str:
    return "yes" if has else ""
