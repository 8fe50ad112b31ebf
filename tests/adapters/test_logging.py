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


def test_secrets_are_hidden_below_other_names_too(out: io.StringIO) -> None:
    structlog.get_logger("a").info("call", request={"headers": {"Authorization": "Bearer x"}, "path": "/v1"})

    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["request"] == {"headers": {"Authorization": "(hidden)"}, "path": "/v1"}


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefgh12345678",
        "sk-ant-api03-abcdefgh",
        "AIzaSyA1234567890abcdefghijklmn",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
        "hunter22",
    ],
)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(out: io.StringIO, secret: str) -> None:
    try:
        raise RuntimeError(f"refused by postgresql://user:{secret}@host/db after Authorization: Bearer {secret}")  # noqa: TRY301 -- what is tested
    except RuntimeError as error:
        structlog.get_logger("a").exception("failed", error=str(error))
    logging.getLogger("b").error("see postgresql://user:%s@host/db", secret)

    assert secret not in out.getvalue()
    for line in out.getvalue().splitlines():
        assert "://(hidden)@host/db" in line
        json.loads(line)


def test_what_is_no_secret_stays(out: io.StringIO) -> None:
    words = (
        "task-manager risk-assessment https://example.com:8080/a@b 01a20b7f-5966-70e9-a2d8-e8a20d4cc380 postgres://h/d"
    )
    structlog.get_logger("a").info("kept", words=words)

    assert json.loads(out.getvalue())["words"] == words


def test_a_person_sees_no_variables_of_a_failure() -> None:
    """A terminal gets colors, and no values: a traceback with them would show prompts and keys."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = Terminal()
    configure_logging("info", stream)
    try:
        prompt = "a planted " + "prompt"
        try:
            raise RuntimeError("broken")  # noqa: TRY301 -- what is tested
        except RuntimeError:
            structlog.get_logger("a").exception("failed")
    finally:
        structlog.reset_defaults()
        root.handlers = handlers
        root.setLevel(level)

    assert "broken" in stream.getvalue()
    assert prompt not in stream.getvalue()


def test_a_failure_carries_its_trace_and_stays_one_line(out: io.StringIO) -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        structlog.get_logger("a").exception("failed")

    (line,) = out.getvalue().splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exception"]
