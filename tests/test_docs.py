"""The documentation is true: what is made from the code is up to date, and what is linked is there."""

import re
from pathlib import Path

import pytest

from app.reference import DOCS, written
from domain.events import TYPES

ROOT = DOCS.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]


@pytest.mark.parametrize("path", written(DOCS), ids=lambda path: path.name)
def test_the_reference_is_what_the_code_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == written(DOCS)[path], "run: python -m app.reference"


def test_every_event_type_is_in_the_reference() -> None:
    text = (DOCS / "events.md").read_text(encoding="utf-8")
    missing = [name for name, type_ in TYPES.items() if isinstance(type_, type) and f"### {name}\n" not in text]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_paths_named_in_the_readme_exist() -> None:
    names = re.findall(
        r"`((?:app|domain|adapters|projections|migrations|tests|docs)/[\w./-]+)`", (ROOT / "README.md").read_text()
    )
    assert names
    assert [name for name in names if not (ROOT / name).exists()] == []
