"""Settings: read once from the environment, checked whole, frozen.

`SETTINGS` is the one list of them; the reference in the documentation is made from it by `describe_settings`.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from domain.outbound import OutboundRules

PREFIX = "TALLYGATE_"
MEBIBYTE = 1024 * 1024

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """A setting is wrong. The message names it and says what would be right; it never shows a secret."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator can choose at start-up."""

    data: Path
    host: str
    port: int
    public_url: str | None
    console: bool
    database_url: str | None
    row_security: str
    root_password: str | None
    workers: int
    log_level: str
    drain_seconds: float
    body_max_bytes: int
    connect_timeout_seconds: float
    first_byte_timeout_seconds: float
    idle_timeout_seconds: float
    hold_timeout_seconds: float
    journal_max_bytes: int
    secret_key_file: Path
    seal_key_file: Path
    seal_heads_file: Path | None
    seal_heads_url: str | None
    smtp_url: str | None
    mail_from: str
    trusted_proxies: tuple[Network, ...]
    outbound_allow: OutboundRules
    requests_max: int
    queue_max: int
    queue_seconds: float
    cache_max_bytes: int
    alert_urls: tuple[str, ...]
    metrics_token: str | None
    access_log: bool
    traces: bool
    trace_context: str
    shared_buffers_mebibytes: int
    wal_kept_mebibytes: int

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Give the settings that `environ` asks for; raise SettingsError for the first that is wrong.

        An empty variable counts as not set.
        """
        _refuse_unknown(environ)
        values = {setting.field: _read(setting, environ) for setting in SETTINGS}
        values["secret_key_file"] = values["secret_key_file"] or values["data"] / "secret.key"
        values["seal_key_file"] = values["seal_key_file"] or values["data"] / "seal.key"
        return cls(**values)

    @property
    def prefix(self) -> str:
        """The path of the public address, such as `/llm`; empty at the root."""
        return urlsplit(self.public_url or "").path

    def __repr__(self) -> str:
        """Show every value but the secrets."""
        shown = (f"{s.field}={_shown(s, getattr(self, s.field))}" for s in SETTINGS)
        return f"Settings({', '.join(shown)})"


class Setting(NamedTuple):
    """One setting: its field and variable, what it is without one, and how its text is read."""

    field: str
    default: str | None
    meaning: str
    parse: Callable[[str], Any]
    """Gives the value, or raises ValueError that says what would be right."""
    secret: bool = False
    default_shown: str | None = None

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return PREFIX + self.field.upper()


class SettingDescription(msgspec.Struct, frozen=True):
    """A row of the reference."""

    variable: str
    default: str
    meaning: str


def describe_settings() -> list[SettingDescription]:
    """Give every setting's name, default and meaning, in the order of the reference."""
    return [SettingDescription(s.variable, s.default_shown or s.default or "(not set)", s.meaning) for s in SETTINGS]


def _text(text: str) -> str:
    return text


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # Only plain digits: int() would also take "1_000", " 7 " and digits of other scripts.
        if text.isascii() and text.isdigit() and lowest <= int(text) <= highest:
            return int(text)
        raise ValueError(f"a whole number from {lowest} to {highest}")

    return parse


def _seconds(lowest: float, highest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if lowest <= value <= highest:
            return value
        raise ValueError(f"a number of seconds from {lowest:g} to {highest:g}")

    return parse


def _log_level(text: str) -> str:
    if text.lower() in {"debug", "info", "warning", "error"}:
        return text.lower()
    raise ValueError("one of debug, info, warning, error")


def _database_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        right = parts.scheme in {"postgresql", "postgres"} and bool(parts.path.strip("/") or parts.query)
        for host in parts.netloc.rpartition("@")[2].split(","):
            # A wrong port is a ValueError; several hosts are a primary and its standbys.
            _ = urlsplit(f"//{host}").port
    except ValueError:
        right = False
    if not right:
        raise ValueError("a URL such as postgresql://user:password@host:5432/database")
    return text


def _row_security(text: str) -> str:
    if text.lower() in {"auto", "required", "off"}:
        return text.lower()
    raise ValueError("one of auto, required, off")


PROGRAM_PATHS = frozenset({"api", "v1", "v1beta", "health", "metrics"})
"""The first parts of paths that programs call."""
_OWN_PATHS = PROGRAM_PATHS | {"assets", "brand"}
"""What means something here already can be nobody's prefix."""
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    path = parts.path.rstrip("/")
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("an address such as https://llm.example.com or https://example.com/llm")
    if path[1:].partition("/")[0] in _OWN_PATHS:
        raise ValueError("the address before its /v1 or /api, such as https://llm.example.com")
    if _PREFIX.fullmatch(path) is None:
        raise ValueError("an address whose path has plain parts only, such as https://example.com/llm")
    return text.rstrip("/")


def _webhook_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address such as https://notary.example.com/heads")
    return text


def _smtp_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        right = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.path in {"", "/"}
        _ = parts.port
    except ValueError:
        right = False
    if not right:
        raise ValueError("an address such as smtp://user:password@mail.example.com:587, or smtps://...")
    return text


def _mail_from(text: str) -> str:
    _, address = parseaddr(text)
    if "@" not in address.strip("@") or not text.isprintable():
        raise ValueError("an e-mail address such as Tallygate <no-reply@example.com>")
    return text


PASSWORD_LENGTH_MIN = 8


def _password(text: str) -> str:
    if len(text) < PASSWORD_LENGTH_MIN:
        raise ValueError(f"a password of at least {PASSWORD_LENGTH_MIN} characters")
    return text


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("addresses or networks, comma-separated, such as 10.0.0.0/8,192.0.2.7") from None


def _switch(text: str) -> bool:
    if text.lower() in {"on", "off"}:
        return text.lower() == "on"
    raise ValueError("on or off")


def _trace_context(text: str) -> str:
    if text.lower() in {"none", "accept", "send", "both"}:
        return text.lower()
    raise ValueError("one of none, accept, send, both")


METRICS_TOKEN_LENGTH_MIN = 16


def _metrics_token(text: str) -> str:
    if len(text) < METRICS_TOKEN_LENGTH_MIN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"at least {METRICS_TOKEN_LENGTH_MIN} ASCII characters without spaces")
    return text


def _outbound(text: str) -> OutboundRules:
    try:
        return OutboundRules.parse(text)
    except ValueError:
        raise ValueError("hosts or networks, comma-separated, such as vllm.internal,*.svc.example,10.0.0.0/8") from None


def _alert_urls(text: str) -> tuple[str, ...]:
    urls = tuple(text.split())
    if not all(urlsplit(url).scheme and urlsplit(url).netloc for url in urls):
        raise ValueError("addresses such as https://example.com/hook, separated by blanks")
    return urls


SETTINGS: tuple[Setting, ...] = (
    Setting("data", "data", "Directory of the embedded PostgreSQL, the journal and the secret key.", _path),
    Setting("host", "127.0.0.1", "Address to listen on.", _text),
    Setting("port", "3000", "Port to listen on; 0 takes any free one.", _whole_number(0, 65535)),
    Setting(
        "public_url",
        None,
        "Address that browsers and SDKs reach this server by, when it is not the one listened on; its path, if any, is"
        " the prefix of every route.",
        _public_url,
    ),
    Setting(
        "console", "on", "Whether the web console is served: on, or off for nodes that serve the API only.", _switch
    ),
    Setting(
        "database_url",
        None,
        "A PostgreSQL 15 or newer to use instead of the embedded one.",
        _database_url,
        secret=True,
    ),
    Setting(
        "row_security",
        "auto",
        "Row-level security between tenants: required refuses to start where it is not to be had, auto warns; or off.",
        _row_security,
    ),
    Setting(
        "root_password",
        None,
        "First password of the user root, used at the first start only; must be changed at the first login.",
        _password,
        secret=True,
        default_shown="(generated, printed once)",
    ),
    Setting("workers", "1", "Processes that serve; they share the port.", _whole_number(1, 256)),
    Setting("log_level", "info", "What is logged: debug, info, warning or error.", _log_level),
    Setting(
        "drain_seconds",
        "30",
        "How long open requests may take to finish once the server was told to stop.",
        _seconds(0, 3600),
    ),
    Setting(
        "body_max_bytes",
        str(20 * MEBIBYTE),
        "Largest request body; a larger one is answered with status 413.",
        _whole_number(1024, 2048 * MEBIBYTE),
    ),
    Setting(
        "connect_timeout_seconds",
        "10",
        "How long connecting to a vendor may take before the next channel is tried.",
        _seconds(0.01, 3600),
    ),
    Setting(
        "first_byte_timeout_seconds",
        "30",
        "How long a vendor may take to begin its answer before the next channel is tried; of an answer that is not"
        " streamed, the whole of it.",
        _seconds(0.01, 3600),
    ),
    Setting(
        "idle_timeout_seconds",
        "60",
        "Longest silence of a vendor in the middle of an answer.",
        _seconds(0.01, 3600),
    ),
    Setting(
        "hold_timeout_seconds",
        "900",
        "Age at which an open hold is given up and its credit released.",
        _seconds(1, 86400),
    ),
    Setting(
        "journal_max_bytes",
        str(64 * MEBIBYTE),
        "Largest journal of finished requests that wait for the database; past it none is admitted.",
        _whole_number(64 * 1024, 1024 * 1024 * MEBIBYTE),
    ),
    Setting(
        "secret_key_file",
        None,
        "File with the key under which vendor credentials are encrypted; made at the first start.",
        _path,
        default_shown="secret.key in the data directory",
    ),
    Setting(
        "seal_key_file",
        None,
        "File with the Ed25519 key that signs the sealed log; made at the first start. The same on all nodes.",
        _path,
        default_shown="seal.key in the data directory",
    ),
    Setting(
        "seal_heads_file",
        None,
        "File that the signed heads of the sealed log are appended to, a line of JSON each, for keeping elsewhere.",
        _path,
    ),
    Setting(
        "seal_heads_url",
        None,
        "Address that the signed heads of the sealed log are posted to, for keeping elsewhere.",
        _webhook_url,
        secret=True,
    ),
    Setting(
        "smtp_url",
        None,
        "Mail server for invitations, sign-ups and forgotten passwords; smtp:// wants STARTTLS, but on this machine.",
        _smtp_url,
        secret=True,
    ),
    Setting("mail_from", "Tallygate <tallygate@localhost>", "Whom e-mails are from.", _mail_from),
    Setting(
        "trusted_proxies",
        "",
        "Proxies whose forwarded client address is believed: addresses or networks, comma-separated.",
        _networks,
        default_shown="(none)",
    ),
    Setting(
        "outbound_allow",
        "",
        "Private hosts and networks that channels, media URLs and webhooks may name, comma-separated; all others are"
        " refused.",
        _outbound,
        default_shown="(the public internet only)",
    ),
    Setting(
        "requests_max",
        "1000",
        "Model requests that a worker serves at a time; an eighth of them is out of any single tenant's reach.",
        _whole_number(1, 1_000_000),
    ),
    Setting(
        "queue_max",
        "1000",
        "Model requests that may wait for their turn, beyond those; further ones are answered with 429 or 503 at once.",
        _whole_number(0, 1_000_000),
    ),
    Setting(
        "queue_seconds",
        "5",
        "How long a model request waits for its turn before it is answered with 429 or 503.",
        _seconds(0.01, 3600),
    ),
    Setting(
        "cache_max_bytes",
        str(64 * MEBIBYTE),
        "Memory of a worker for answers that are given again to tokens that opted in.",
        _whole_number(0, 1024 * 1024 * MEBIBYTE),
    ),
    Setting(
        "alert_urls",
        "",
        "Where alerts are told beside the log: webhooks (https://...), and mailtos:// and all else that apprise knows,"
        " separated by blanks.",
        _alert_urls,
        secret=True,
        default_shown="(the log only)",
    ),
    Setting(
        "metrics_token",
        None,
        "Bearer token that reads /metrics; without one they are for this machine alone.",
        _metrics_token,
        secret=True,
    ),
    Setting("access_log", "off", "Whether each HTTP request is logged as a line: on or off.", _switch),
    Setting(
        "traces",
        "off",
        "Whether OpenTelemetry traces are exported: on or off. Where to and how is said by OTEL_ variables.",
        _switch,
    ),
    Setting(
        "trace_context",
        "none",
        "Whether callers' traceparent is believed, and one is sent to vendors: none, accept, send or both.",
        _trace_context,
    ),
    Setting(
        "shared_buffers_mebibytes",
        "256",
        "Memory that the embedded PostgreSQL keeps for its cache.",
        _whole_number(16, 65536),
    ),
    Setting(
        "wal_kept_mebibytes",
        "1024",
        "Disk that the embedded PostgreSQL keeps for its write-ahead log, in files that it uses again; the first start"
        " makes them, in at most a quarter of what is free.",
        _whole_number(32, 2048),
    ),
)


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = [setting.variable for setting in SETTINGS]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see the reference of settings"
            raise SettingsError(f"{name} is not a setting: {hint}")


def _read(setting: Setting, environ: Mapping[str, str]) -> Any:
    text = environ.get(setting.variable) or setting.default
    if text is None:
        return None
    try:
        return setting.parse(text)
    except ValueError as error:
        got = "its value (not shown)" if setting.secret else repr(text)
        raise SettingsError(f"{setting.variable}: {got} is wrong, it must be {error}") from None


def _shown(setting: Setting, value: object) -> str:
    return "(hidden)" if setting.secret and value is not None else repr(value)
