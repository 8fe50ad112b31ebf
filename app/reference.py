"""The parts of docs/ that are made from the code: `python -m app.reference` writes them, a test compares."""

import ast
import inspect
import re
import sys
import textwrap
import typing
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from app.api.capabilities import resources_table
from app.api.document import document_text
from app.api.matrix import operations_table, permissions_table
from app.api.problems import error_reference
from app.observability.metrics import metrics_table
from app.observability.spans import spans_table
from app.settings import describe_settings
from app.vendor_reference import vendors_reference
from domain.admin.entities import KINDS
from domain.events import TYPES

DOCS: Final = Path(__file__).parent.parent / "docs"
_TABLE: Final = re.compile(r"(?<=## Settings\n\n).*?(?=\n\n## )", re.DOTALL)
_RESOURCES: Final = re.compile(r"(?<=<!-- resources -->\n).*?(?=<!-- /resources -->)", re.DOTALL)
_METRICS: Final = re.compile(r"(?<=## Every metric\n\n).*?(?=\n\n)", re.DOTALL)
_SPANS: Final = re.compile(r"(?<=## Every span\n\n).*?(?=\n\n)", re.DOTALL)
_PERMISSIONS: Final = re.compile(r"(?<=### Permissions\n\n).*?(?=\n\n)", re.DOTALL)
_OPERATIONS: Final = re.compile(r"(?<=### Operations\n\n).*?(?=\n\n)", re.DOTALL)


def settings_table() -> str:
    """Give the settings as a table."""
    rows = [f"| `{s.variable}` | {s.default} | {s.meaning} |" for s in describe_settings()]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def events_reference() -> str:
    """Give docs/events.md: every stored event type with its fields."""
    parts = [
        "# Events",
        "",
        "Made from the code by `python -m app.reference`. Every event stands in the lane of a tenant at a dense",
        "position, with its id (UUIDv7), day, recorded time, actor (`token:<id>`, `user:<id>`, `system:<part>`),",
        "correlation and causation ids, and what it did to accounts. A stored name ends in a version; old versions",
        "stay readable.",
        "",
        "## Things that people administer",
        "",
        "`<kind>.created.v1` holds `after`, `<kind>.changed.v1` holds `before` and `after`, `<kind>.archived.v1` holds",
        "`before`; each with a `reason`. `<kind>.bulk.v1`, of tokens, channels and batches, has `items`, each with",
        "`before` (null for what came to be) and `after`.",
        "",
    ]
    for kind, entity in KINDS.items():
        parts += [f"### {kind}", "", *_described(entity), ""]
    parts += ["## Everything else", ""]
    for name, type_ in TYPES.items():
        if isinstance(type_, type):
            parts += [f"### {name}", "", *_described(type_), ""]
    return "\n".join(parts).rstrip() + "\n"


def _described(type_: type[Any]) -> list[str]:
    lines = [_flat(inspect.getdoc(type_) or ""), "", "| field | type | meaning |", "|---|---|---|"]
    meanings = _meanings(type_)
    for name, annotation in typing.get_type_hints(type_).items():
        if typing.get_origin(annotation) is not typing.ClassVar:
            lines.append(f"| `{name}` | {_shown(annotation)} | {meanings.get(name, '')} |")
    return lines


def _meanings(type_: type[Any]) -> dict[str, str]:
    """Give the text below each field of a class."""
    (defined,) = ast.parse(textwrap.dedent(inspect.getsource(type_))).body
    assert isinstance(defined, ast.ClassDef)
    meanings = {}
    for field, text in pairwise(defined.body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            assert isinstance(field.target, ast.Name)
            meanings[field.target.id] = _flat(str(text.value.value))
    return meanings


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _shown(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else str(annotation)
    text = re.sub(r"(?:\b\w+\.)+(?=\w)", "", text).replace("|", "\\|")
    return f"`{text}`"


def written(docs: Path) -> dict[Path, str]:
    """Give what each file of the reference should hold."""
    operations = docs / "operations.md"
    observability = docs / "observability.md"
    security = docs / "security.md"
    api = docs / "api.md"
    return {
        api: _RESOURCES.sub(lambda _: f"\n{resources_table()}\n\n", api.read_text(encoding="utf-8"), count=1),
        docs / "events.md": events_reference(),
        docs / "errors.md": error_reference(),
        docs / "openapi.json": document_text(),
        docs / "vendors.md": vendors_reference(),
        observability: _SPANS.sub(
            lambda _: spans_table(),
            _METRICS.sub(lambda _: metrics_table(), observability.read_text(encoding="utf-8")),
        ),
        security: _OPERATIONS.sub(
            lambda _: operations_table(),
            _PERMISSIONS.sub(lambda _: permissions_table(), security.read_text(encoding="utf-8")),
        ),
        operations: _TABLE.sub(lambda _: settings_table(), operations.read_text(encoding="utf-8")),
    }


def main() -> None:
    """Write the reference."""
    for path, text in written(DOCS).items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main()
