"""The table of channel types: every row complete, every name found once."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.channel_types import TYPES, find
from domain.relay.channel_type import ChannelType

ROWS = [pytest.param(row, id=row.name) for row in TYPES.values()]


def test_names_numbers_and_aliases_mean_one_type_each() -> None:
    names = [name for row in TYPES.values() for name in (row.name, *row.aliases)]
    numbers = [row.number for row in TYPES.values() if row.number is not None]

    assert len(names) == len(set(names))
    assert len(numbers) == len(set(numbers))
    assert not {str(number) for number in numbers} & set(names)


@pytest.mark.parametrize(
    ("asked", "name"),
    [(1, "openai"), ("3", "azure"), ("alibailian", "bailian"), (" OpenAI ", "openai"), (50, "openai_compatible")],
)
def test_types_are_found_by_name_number_and_alias(asked: str | int, name: str) -> None:
    found = find(asked)

    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("number", range(1, 52))
def test_every_number_of_one_apis_is_a_type(number: int) -> None:
    assert find(number) is not None


def test_what_is_said_to_show_a_type_is_there() -> None:
    root = Path(__file__).parents[3]

    assert [path for row in TYPES.values() for path in row.shown_by if not (root / path).exists()] == []


def test_an_unknown_type_is_none() -> None:
    assert find("perplexity-by-another-name") is None


@pytest.mark.parametrize("row", ROWS)
def test_every_row_can_be_shown_and_used(row: ChannelType) -> None:
    words = [row.title, row.key_title, *(text for field in row.fields for text in (field.title, field.help))]

    assert all(text.en and text.zh for text in words)
    assert bool(row.key_help.en) == bool(row.key_help.zh)
    assert row.surfaces <= row.dialect.surfaces | {"completions"}
    assert not row.base_url or urlsplit(row.base_url).scheme in ("http", "https", "wss", "demo")
    assert not row.base_url.endswith("/")
    assert row.shown_by
    assert len({field.name for field in row.fields}) == len(row.fields)
    for field in row.fields:
        assert not field.choices or field.default in field.choices
