"""Structured logs: a JSON object a line on standard error, or readable lines on a terminal; no secrets."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET_WORDS = (
    "password",
    "secret",
    "authorization",
    "api_key",
    "credential",
    "cookie",
    "database_url",
    "dsn",
)
_HIDDEN = "(hidden)"
_DEPTH_MAX: Final = 6
_SECRETS: Final = re.compile(
    r"(?i:(?<=bearer )|(?<=basic ))[\w~+/.=-]{8,}"  # an Authorization header
    r"|\b(?:sk|pk|rk|tgp|gsk|xai|r8|hf|whsec)[-_][\w-]{8,}"  # keys of ours and of many vendors
    r"|\bAIza[\w-]{20,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"  # Google's and Amazon's
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # a JSON Web Token
    r"|(?<=://)[^\s/@\"'\\]*:[^\s/@\"'\\]+(?=@)"  # user:password of a URL
)
"""What looks like a secret wherever it stands, in the words of a library's error, say."""


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank every value whose name says that it is a secret, at any depth."""
    for name, value in event.items():
        event[name] = _without_secrets(name, value, 0)
    return event


def _without_secrets(name: object, value: Any, depth: int) -> Any:
    if any(word in str(name).lower() for word in _SECRET_WORDS):
        return _HIDDEN
    if isinstance(value, Mapping) and depth < _DEPTH_MAX:
        return {key: _without_secrets(key, each, depth + 1) for key, each in value.items()}
    return value


def scrub(line: str) -> str:
    """Blank what looks like a secret in a finished line."""
    return _SECRETS.sub(_HIDDEN, line)


def configure_logging(level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records through one set of processors.

    `level` is debug, info, warning or error. Call it once, before the first record.
    """
    out = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(out), _scrubbed],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _rendering(out: TextIO) -> list[Processor]:
    """Give the last processors: colors for a person, JSON for a machine."""
    if out.isatty():
        # Plain: the renderer's own choice shows the values of variables, prompts and keys among them.
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]


def _scrubbed(_logger: WrappedLogger, _method: str, line: Any) -> str:
    return scrub(str(line))


def _to_json(event: object, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
