"""What is counted where.

Figures of money and tokens are read off the events that the ledger has accepted: no metric tells of a charge that is
not in the log.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import structlog

from app.observability import metrics as m
from app.observability.cells import Cells
from app.observability.metrics import GAUGES, Metric
from domain.ids import EntityId
from domain.ledger.commands import Answer, Code, Command, Kind
from domain.metering.usage import TOKEN_CLASSES

if TYPE_CHECKING:
    from app.snapshot import Snapshot

MODELS_MAX: Final = 300
"""Different models by name; what is called after these is "other"."""
LABELS_MAX: Final = 500
"""Different values of any other label that is not a list in the code."""
OTHER: Final = "other"
_SALES_MAX: Final = 5000

_log = structlog.get_logger(__name__)


class _Attempt(msgspec.Struct):
    channel_id: EntityId = EntityId("")
    outcome: str = ""
    latency_milliseconds: int = 0
    first_byte_milliseconds: int | None = None
    cost_nanos: int = 0


class _Captured(msgspec.Struct):
    """The few fields of a capture that are counted: decoding the others would cost as much again."""

    captured_nanos: int
    usage: dict[str, Any]
    model_billed: str
    outcome: str
    attempt: _Attempt
    stream: bool = False
    currency: str = "USD"


class _Sale(NamedTuple):
    """Where the figures of one kind of capture are."""

    requests: int
    spend: int
    cost: int
    tokens: dict[str, int]
    attempts: int
    operation: int
    first_token: int


class _Ended(msgspec.Struct):
    attempt: _Attempt | None = None
    reason: str = ""


class _Adjusted(msgspec.Struct):
    charged_nanos: int
    model_billed: str


_captured: Final = msgspec.json.Decoder(_Captured).decode
_ended: Final = msgspec.json.Decoder(_Ended).decode
_adjusted: Final = msgspec.json.Decoder(_Adjusted).decode


class Bounded:
    """The values that a label may have: those known, and new ones up to a bound."""

    def __init__(self, values_max: int = LABELS_MAX) -> None:
        """Take how many values there may be."""
        self._values_max = values_max
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """Give the value, or "other" where there are too many."""
        if value in self._seen:
            return value
        if len(self._seen) >= self._values_max or not value or len(value) > 200:  # noqa: PLR2004 -- no name is longer
            return OTHER
        self._seen.add(value)
        return value


class Instruments:
    """The metrics of one worker."""

    def __init__(self, cells: Cells, *, now: Callable[[], Any]) -> None:
        """Take where figures are kept, and a clock."""
        self.cells = cells
        self.numbers = cells.numbers
        cells.forget(GAUGES)
        self.snapshot: Callable[[], Snapshot] | None = None
        """Gives the present configuration; set once there is one."""
        self._now = now
        self._models = Bounded(MODELS_MAX)
        self._codes = Bounded()
        self._routes = Bounded()
        self._currencies = Bounded(50)
        self._places: dict[tuple[str, ...], int] = {}
        self._seen: Snapshot | None = None
        self._commands: dict[tuple[Kind, Code], int] = {}
        self._sales: dict[tuple[str, ...], _Sale] = {}
        self._handlers: dict[str, Callable[[bytes], None]] = {
            "hold.captured.v1": self._on_captured,
            "hold.voided.v1": self._on_voided,
            "hold.expired.v1": self._on_expired,
            "attempt.failed.v1": self._on_failed,
            "usage.adjusted.v1": self._on_adjusted,
        }
        self._batch_at = self._histogram(m.LEDGER_BATCH)
        self._duration_at = self._histogram(m.LEDGER_DURATION)
        self.add(m.WORKER_STARTS, (), 1)
        self.set(m.WORKERS, (), 1)

    def add(self, metric: Metric, labels: tuple[str, ...], amount: float = 1) -> None:
        """Count."""
        self.numbers[self.cells.place((metric.name, *labels))] += amount

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""
        self.numbers[self.cells.place((metric.name, *labels))] = value

    def observe(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Put a value into a histogram."""
        self._observe(self._histogram(metric, labels), metric.buckets, value)

    def _histogram(self, metric: Metric, labels: tuple[str, ...] = ()) -> int:
        # One number per bucket, one above the last, and the sum.
        return self.cells.place((metric.name, *labels), len(metric.buckets) + 2)

    def _observe(self, at: int, buckets: tuple[float, ...], value: float) -> None:
        numbers = self.numbers
        numbers[at + bisect_left(buckets, value)] += 1
        numbers[at + len(buckets) + 1] += value

    # HTTP

    def request_ended(self, method: str, route: str, status: str, seconds: float) -> None:
        """Count an answered HTTP request."""
        key = (method, route, status)
        at = self._places.get(key)
        if at is None:
            at = self._places[key] = self._histogram(m.HTTP_DURATION, (method, self._routes(route), status))
        self._observe(at, m.HTTP_DURATION.buckets, seconds)

    def stream_began(self, route: str, seconds: float) -> None:
        """Note how long a client has waited for the first byte of a stream."""
        self.observe(m.STREAM_FIRST_BYTE, (self._routes(route),), seconds)

    def refused(self, code: str) -> None:
        """Count a request that was turned away before its hold."""
        self.add(m.REFUSALS, (self._codes(code),))

    # The ledger

    def ledger_batch(self, commands: Sequence[Command], answers: Sequence[Answer], seconds: float) -> None:
        """Count a call of the ledger, and what its commands say; a fault in here is logged and harms nobody."""
        try:
            self._observe(self._batch_at, m.LEDGER_BATCH.buckets, len(commands))
            self._observe(self._duration_at, m.LEDGER_DURATION.buckets, seconds)
            for command, answer in zip(commands, answers, strict=True):
                code = answer.code
                at = self._commands.get((command.kind, code))
                if at is None:
                    at = self.cells.place((m.LEDGER_COMMANDS.name, command.kind.name.lower(), code.name.lower()))
                    self._commands[command.kind, code] = at
                self.numbers[at] += 1
                if code is Code.OK:
                    handler = self._handlers.get(command.type)
                    if handler is not None:
                        handler(command.data)
        except Exception:  # noqa: BLE001 -- a metric must not stop the ledger
            _log.exception("metrics_failed")

    def _on_captured(self, data: bytes) -> None:
        event = _captured(data)
        attempt = event.attempt
        snapshot = self.snapshot() if self.snapshot is not None else None
        if snapshot is not self._seen:
            self._seen = snapshot
            self._sales.clear()
        key = (event.model_billed, event.currency, attempt.channel_id, event.outcome, attempt.outcome)
        sale = self._sales.get(key)
        if sale is None:
            if len(self._sales) >= _SALES_MAX:
                self._sales.clear()
            sale = self._sales[key] = self._sale(event)
        numbers = self.numbers
        numbers[sale.requests] += 1
        numbers[sale.spend] += event.captured_nanos
        if attempt.cost_nanos:
            numbers[sale.cost] += attempt.cost_nanos
        for name, count in event.usage.items():
            at = sale.tokens.get(name)
            if at is not None:
                numbers[at] += count
        numbers[sale.attempts] += 1
        self._observe(sale.operation, m.OPERATION.buckets, attempt.latency_milliseconds / 1000)
        if event.stream and attempt.first_byte_milliseconds is not None:
            self._observe(sale.first_token, m.FIRST_TOKEN.buckets, attempt.first_byte_milliseconds / 1000)

    def _sale(self, event: _Captured) -> _Sale:
        """Find the figures of a model on a channel: looking each up again for every capture would cost the most."""
        model, currency = self._model(event.model_billed), self._currencies(event.currency)
        channel_type = self._channel_type(event.attempt.channel_id)
        place = self.cells.place
        return _Sale(
            requests=place((m.REQUESTS.name, "captured", event.outcome)),
            spend=place((m.SPEND.name, model, currency)),
            cost=place((m.VENDOR_COST.name, model, currency)),
            tokens={name: place((m.TOKENS.name, model, name.removesuffix("_tokens"))) for name in TOKEN_CLASSES},
            attempts=place((m.ATTEMPTS.name, channel_type, event.attempt.outcome)),
            operation=self._histogram(m.OPERATION, (channel_type,)),
            first_token=self._histogram(m.FIRST_TOKEN, (model, channel_type)),
        )

    def _on_voided(self, data: bytes) -> None:
        event = _ended(data)
        self.add(m.REQUESTS, ("voided", self._codes(event.reason)))
        attempt = event.attempt
        if attempt is not None:
            self._attempt(attempt)

    def _on_expired(self, _: bytes) -> None:
        self.add(m.REQUESTS, ("expired", ""))

    def _on_failed(self, data: bytes) -> None:
        attempt = _ended(data).attempt
        if attempt is not None:
            self._attempt(attempt)

    def _on_adjusted(self, data: bytes) -> None:
        event = _adjusted(data)
        self.add(m.SPEND, (self._model(event.model_billed), "USD"), event.charged_nanos)

    def _attempt(self, attempt: _Attempt) -> None:
        channel_type = self._channel_type(attempt.channel_id)
        self.add(m.ATTEMPTS, (channel_type, attempt.outcome))
        self.observe(m.OPERATION, (channel_type,), attempt.latency_milliseconds / 1000)

    def _channel_type(self, channel_id: EntityId) -> str:
        channel = self.snapshot().channels_by_id.get(channel_id) if self.snapshot is not None else None
        return str(channel.type) if channel is not None else OTHER

    def _model(self, name: str) -> str:
        """Give the model's name if the rate card in force has it: everybody else could name a model anything."""
        if self.snapshot is None:
            return OTHER
        card = self.snapshot().sale_card(self._now())
        return self._models(name) if card is not None and card.find(name) is not None else OTHER
