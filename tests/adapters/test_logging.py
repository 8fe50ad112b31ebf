import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from adapters.logging import configure_logging


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging("info", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


def test_a_record_is_one_json_object_a_line(out: io.StringIO) -> None:
    structlog.get_logger("a").info("hold captured", hold_id="h", amount=3)
    logging.getLogger("b").warning("from %s", "elsewhere")

    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["event"], first["hold_id"], first["amount"], first["level"]) == ("hold captured", "h", 3, "info")
    assert (second["event"], second["level"]) == ("from elsewhere", "warning")


def test_what_is_below_the_level_is_left_out(out: io.StringIO) -> None:
    structlog.get_logger("a").debug("detail")

    assert out.getvalue() == ""


def test_secrets_are_hidden_by_their_names(out: io.StringIO) -> None:
    structlog.get_logger("a").info("login", root_password="horse", Authorization="Bearer x", api_key="sk-1")

    assert all(secret not in out.getvalue() for secret in ("horse", "Bearer", "sk-1"))


def test_a_failure_carries_its_trace_and_stays_one_line(out: io.StringIO) -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        structlog.get_logger("a").exception("failed")

    (line,) = out.getvalue().splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exception"]
