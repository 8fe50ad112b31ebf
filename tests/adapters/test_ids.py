import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from adapters import ids
from domain.ids import day_of


def test_ids_are_distinct_and_ascend() -> None:
    made = [ids.new_id() for _ in range(20_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_an_id_is_a_uuid_of_version_7_made_now() -> None:
    text = ids.new_id()
    parsed = uuid.UUID(text)

    assert (str(parsed), parsed.variant, parsed.int >> 76 & 0xF) == (text, uuid.RFC_4122, 7)
    assert abs(day_of(text) - datetime.now(UTC).date()) <= timedelta(days=1)


def test_ids_ascend_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids.new_id()
    monkeypatch.setattr("adapters.ids.time.time_ns", lambda: 0)

    assert ids.new_id() > before


def test_threads_never_get_the_same_id() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(ids.new_id() for _ in range(3000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 12_000


def test_a_forgotten_parent_leaves_other_random_bits() -> None:
    before = ids._uuid7
    ids._forget_parent()

    assert ids._uuid7 is not before


def test_tenant_numbers_fit_javascript_and_ascend() -> None:
    made = [ids.new_tenant_id() for _ in range(5000)]

    assert made == sorted(set(made))
    assert 1 < made[0] < made[-1] < 2**53
