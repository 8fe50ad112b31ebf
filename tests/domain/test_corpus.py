"""One stored event of each type and version, kept for ever: whatever was once written can be read and folded.

A file of corpus/ is a body as it was stored. None is ever changed or removed; a new type or version gets its own file,
and so does a type that has come to say more: `hold.captured.v1+what.json`.
"""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.projections import PROJECTIONS
from domain.events import TYPES, UnknownEventError, decode, encode
from domain.ids import EventId, Lane, TenantId
from domain.verification import LaneCheck, LoggedEvent
from projections import balances, usage
from projections.base import BulkProjection, StoredEvent

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(CORPUS.glob("*.json"))
AT = dt.datetime(2026, 11, 23, 22, 44, 7, 123456, tzinfo=dt.UTC)


def type_of(name: str) -> str:
    """Give the type of a sample by its name."""
    return name.partition("+")[0]


def sample(name: str) -> bytes:
    return (CORPUS / f"{name}.json").read_bytes().rstrip()


def stored(name: str, value: Any) -> StoredEvent:
    return StoredEvent(TenantId(77), Lane(77), 1, EventId(""), name, value, "system:test", "", AT, ("a",), (-5,), (0,))


def test_every_type_has_a_sample_and_every_sample_a_type() -> None:
    assert {type_of(path.stem) for path in FILES} == set(TYPES)


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_a_stored_event_is_read_as_it_was_written(name: str) -> None:
    """To the last byte, but for what the type has come to say since then: of that it says nothing."""
    body = sample(name)
    written = msgspec.json.decode(body)

    again = msgspec.json.decode(encode(decode(type_of(name), body)))

    assert not any(value for field, value in again.items() if field not in written)
    assert msgspec.json.encode({field: value for field, value in again.items() if field in written}) == body


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_a_stored_event_is_checked_by_verification(name: str) -> None:
    check = LaneCheck(77, 77, {})

    type_ = type_of(name)
    check.event(LoggedEvent(1, type_, decode(type_, sample(name)), AT, (), (), ()))

    assert not any(finding.check in {"readable", "price", "positions", "time"} for finding in check.findings)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_every_projection_reads_every_type_that_it_folds(projection: Any) -> None:
    for name in projection.types:
        shapes = projection.shapes if isinstance(projection, BulkProjection) else TYPES
        assert msgspec.json.decode(sample(name), type=shapes[name]) is not None


def test_balances_fold_the_corpus() -> None:
    projection = balances.BALANCES
    events = [
        stored(name, msgspec.json.decode(sample(name), type=projection.shapes[name]))
        for name in sorted(projection.types)
    ]

    rows: dict[balances.Owner, balances.Sums] = {}
    balances.fold(events, rows)

    tenant = rows[balances.Owner("77", "tenant", 77)]
    # Two of 1.5 x (1000 x 0.25 + 200 x 0.025 + 364 x 2) nano-units thousands: a capture and a late charge.
    assert tenant.captured == 2 * 1_474_500
    assert tenant.granted == 2 * 5_000_000_000
    assert (tenant.adjusted, tenant.lapsed, tenant.requests, tenant.voids) == (1_000_000, 5, 1, 1)
    assert tenant.tokens == 2 * 1564


def test_usage_folds_the_corpus() -> None:
    projection = usage.USAGE
    events = [
        stored(name, msgspec.json.decode(sample(name), type=projection.shapes[name]))
        for name in sorted(projection.types)
    ]
    entries = [(event, entry) for event in events if (entry := usage.entry_of(event.value, {})) is not None]

    totals_by_key: dict[usage.Key, usage.Sums] = {}
    usage.fold(entries, totals_by_key)

    assert {key.hour for key in totals_by_key} == {dt.datetime(2026, 11, 23, 22, tzinfo=dt.UTC)}
    totals = dict(
        zip(
            usage.SUMS,
            (sum(column) for column in zip(*(r.values for r in totals_by_key.values()), strict=True)),
            strict=True,
        )
    )
    assert [totals[name] for name in usage.SUMS[:6]] == [1, 1, 1, 12, 1, 1]
    assert totals["input_tokens"] == 2 * 1000
    assert [totals[name] for name in usage.SUMS[-3:]] == [2 * 1_474_500, 0, 2_000_000]


def test_a_type_from_the_future_is_refused_by_name() -> None:
    with pytest.raises(UnknownEventError, match=r"hold\.teleported\.v1"):
        decode("hold.teleported.v1", b"{}")
