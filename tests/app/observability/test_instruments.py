"""What is counted of what happens, and what it costs."""

import datetime as dt
import random
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.postgres.ledger import apply
from app.observability import metrics as m
from app.observability.cells import Cells
from app.observability.exposition import page
from app.observability.instruments import LABELS_MAX, MODELS_MAX, OTHER, Bounded, Instruments
from app.observability.middleware import Observed
from domain.events import encode
from domain.holds.events import Attempt, AttemptFailed, HoldCaptured, HoldVoided
from domain.ids import EntityId, EventId, HoldId, TenantId, first_lane
from domain.ledger.commands import Answer, Code, Command, Kind
from domain.metering.usage import TokenUsage
from tests.projections.workload import Workload

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
ID = "01a20b7f-5966-70e9-a2d8-e8a20d4cc380"


class _Channel:
    type = "anthropic"


class _Card:
    def find(self, model: str) -> object | None:
        return object() if model.startswith("priced") else None


class _Snapshot:
    channels_by_id = {"c1": _Channel()}  # noqa: RUF012 -- a fake's

    def sale_card(self, when: dt.datetime) -> _Card:
        assert when == NOW
        return _Card()


@pytest.fixture
def instruments() -> Instruments:
    made = Instruments(Cells(None, "test"), now=lambda: NOW)
    made.snapshot = _Snapshot  # type: ignore[assignment]
    return made


def figures(instruments: Instruments) -> dict[tuple[str, ...], float]:
    """Give every figure of the page by its name and label values."""
    body, _ = page(instruments.cells.read(None), [], "")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def captured(model: str = "priced-1", channel: str = "c1", **more: Any) -> bytes:
    attempt = Attempt(
        channel_id=EntityId(channel),
        model_routed=model,
        outcome="completed",
        status=200,
        latency_milliseconds=1500,
        first_byte_milliseconds=250,
        cost_nanos=40,
    )
    event: dict[str, Any] = {
        "hold_id": HoldId(ID),
        "captured_nanos": 70,
        "basis": "vendor",
        "usage": TokenUsage(input_tokens=9, cached_input_tokens=3, output_tokens=20, reasoning_tokens=5),
        "factors": {"price": Decimal(1)},
        "token_id": ID,
        "user_id": ID,
        "surface": "chat",
        "stream": True,
        "model_asked": "what-a-client-says",
        "model_routed": model,
        "model_billed": model,
        "channel_id": channel,
        "card_id": ID,
        "card_version": 1,
        "outcome": "completed",
        "attempt": attempt,
    }
    return encode(HoldCaptured(**(event | more)))


def command(type_: str, data: bytes, kind: Kind = Kind.END) -> Command:
    return Command(
        tenant_id=TenantId(2),
        lane=first_lane(TenantId(2)),
        kind=kind,
        event_id=EventId(ID),
        type=type_,
        data=data,
        actor="token:x",
        correlation_id=EventId(ID),
        causation_id=EventId(ID),
    )


OK = Answer(code=Code.OK)


def test_a_capture_is_told_in_tokens_money_and_time(instruments: Instruments) -> None:
    instruments.ledger_batch([command("hold.captured.v1", captured())] * 2, [OK, OK], 0.002)
    found = figures(instruments)

    assert found["tallygate_requests_total", "captured", "completed"] == 2
    assert {key[2]: value for key, value in found.items() if key[0] == "tallygate_tokens_total" and value} == {
        "input": 18,
        "cached_input": 6,
        "output": 40,
        "reasoning": 10,
    }
    assert found["tallygate_spend_nanos_total", "USD", "priced-1"] == 140
    assert found["tallygate_vendor_cost_nanos_total", "USD", "priced-1"] == 80
    assert found["tallygate_vendor_attempts_total", "anthropic", "completed"] == 2
    assert found["gen_ai_server_time_to_first_token_seconds_sum", "anthropic", "priced-1"] == 0.5
    assert found["gen_ai_server_time_to_first_token_seconds_bucket", "anthropic", "priced-1", "0.1"] == 0
    assert found["gen_ai_server_time_to_first_token_seconds_bucket", "anthropic", "priced-1", "0.25"] == 2
    assert found["gen_ai_client_operation_duration_seconds_sum", "anthropic"] == 3
    assert found["tallygate_ledger_batch_commands_sum",] == 2
    assert found["tallygate_ledger_batch_duration_seconds_bucket", "0.0025"] == 1
    assert found["tallygate_ledger_commands_total", "ok", "end"] == 2


def test_what_the_ledger_has_not_taken_is_not_counted_as_charged(instruments: Instruments) -> None:
    answers = [Answer(code=Code.EXISTS), Answer(code=Code.ENDED)]
    instruments.ledger_batch([command("hold.captured.v1", captured())] * 2, answers, 0.001)
    found = figures(instruments)

    assert found["tallygate_ledger_commands_total", "exists", "end"] == 1
    assert not [key for key in found if "spend" in key[0] or "tokens" in key[0] or "requests_total" in key[0]]


def test_attempts_that_failed_and_holds_that_came_to_nothing_are_counted(instruments: Instruments) -> None:
    attempt = Attempt(channel_id=EntityId("c1"), model_routed="m", outcome="timeout", latency_milliseconds=10)
    failed = AttemptFailed(hold_id=HoldId(ID), number=1, attempt=attempt)
    voided = HoldVoided(
        hold_id=HoldId(ID),
        reason="vendor_failed",
        token_id=EntityId(ID),
        user_id=EntityId(ID),
        model_asked="m",
        attempt=attempt,
    )
    instruments.ledger_batch(
        [command("attempt.failed.v1", encode(failed), Kind.POST), command("hold.voided.v1", encode(voided))],
        [OK, OK],
        0.001,
    )
    found = figures(instruments)

    assert found["tallygate_vendor_attempts_total", "anthropic", "timeout"] == 2
    assert found["tallygate_requests_total", "voided", "vendor_failed"] == 1


def test_no_label_can_be_chosen_by_a_client_or_grow_without_bound(instruments: Instruments) -> None:
    names = [f"priced-{number}" for number in range(MODELS_MAX + 50)] + ["whatever", "x" * 300]
    commands = [command("hold.captured.v1", captured(name, channel="gone")) for name in names]
    instruments.ledger_batch(commands, [OK] * len(commands), 0.001)
    for number in range(LABELS_MAX + 50):
        instruments.refused(f"code-{number}")
    found = figures(instruments)

    models = {key[-1] for key in found if key[0] == "tallygate_spend_nanos_total"}
    assert len(models) == MODELS_MAX + 1
    assert OTHER in models
    assert not {"whatever", "what-a-client-says"} & {value for key in found for value in key}
    assert len([key for key in found if key[0] == "tallygate_refusals_total"]) == LABELS_MAX + 1
    labels = {label for metric in m.METRICS for label in metric.labels}
    assert not {label for label in labels if "tenant" in label or "user" in label or "token_id" in label}


def test_a_label_is_bounded() -> None:
    bounded = Bounded(2)

    assert [bounded(value) for value in ("a", "b", "c", "a", "")] == ["a", "b", OTHER, "a", OTHER]


def test_an_event_that_cannot_be_read_is_logged_and_stops_nothing(instruments: Instruments) -> None:
    instruments.ledger_batch([command("hold.captured.v1", b"no json")], [OK], 0.001)
    instruments.ledger_batch([command("hold.captured.v1", captured())], [OK], 0.001)

    assert figures(instruments)["tallygate_requests_total", "captured", "completed"] == 1


async def test_the_figures_are_those_of_the_log(database: str, instruments: Instruments) -> None:
    """Random requests through the real ledger: what is counted is what its captures add up to."""
    connection = await asyncpg.connect(database)
    workload = Workload(7)
    await workload.begin(connection)
    customer = workload.customers[0]
    rng = random.Random(5)
    for _ in range(5):
        holds = [customer.hold(rng, timeout_seconds=600) for _ in range(10)]
        batches = [holds, [customer.capture(rng, hold) for hold in list(customer.open.values())]]
        for commands in batches:
            answers = await apply(connection, commands)
            instruments.ledger_batch(commands, answers, 0.001)
    logged = await connection.fetchval(
        "SELECT sum((convert_from(data, 'UTF8')::jsonb->>'captured_nanos')::bigint) FROM ledger.event"
        " WHERE type = 'hold.captured.v1' AND tenant_id = $1",
        customer.tenant_id,
    )
    await connection.close()

    spent = sum(value for key, value in figures(instruments).items() if key[0] == "tallygate_spend_nanos_total")
    assert spent == logged > 0


def test_the_page_is_what_its_readers_expect(instruments: Instruments) -> None:
    instruments.request_ended("GET", "/api/tenants/{tenant_id}", "200", 0.2)
    instruments.ledger_batch([command("hold.captured.v1", captured())], [OK], 0.001)
    plain, plain_type = page(instruments.cells.read(None), [(m.HOLDS_OPEN, (), 3)], "")
    open_metrics, open_type = page(
        instruments.cells.read(None), [(m.HOLDS_OPEN, (), 3)], "application/openmetrics-text; version=1.0.0"
    )

    assert plain_type.startswith("text/plain; version=0.0.4")
    assert open_type.startswith("application/openmetrics-text")
    assert open_metrics.endswith(b"# EOF\n")
    families = {family.name: family for family in text_string_to_metric_families(plain.decode())}
    histogram = families["http_server_request_duration_seconds"]
    buckets = [sample for sample in histogram.samples if sample.name.endswith("_bucket")]
    assert [sample.labels["le"] for sample in buckets][-1] == "+Inf"
    assert [sample.value for sample in buckets] == sorted(sample.value for sample in buckets)
    assert families["tallygate_holds_open"].samples[0].value == 3
    declared = {metric.name for metric in m.METRICS}
    assert set(families) <= declared, "nothing is shown that is not declared, and so documented"


async def _nothing(*_: object) -> None:
    return


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"type": "websocket.accept"}, "101"),
        ({"type": "websocket.http.response.start", "status": 401, "headers": []}, "401"),
        (None, "499"),
    ],
)
async def test_a_websocket_is_counted_by_how_its_handshake_went(
    instruments: Instruments, message: dict[str, Any] | None, status: str
) -> None:
    async def inner(_: Any, __: Any, send: Any) -> None:
        if message is not None:
            await send(message)
            await send({"type": "websocket.close", "code": 1000})

    scope = {"type": "websocket", "path": "/v1/realtime", "path_template": "/v1/realtime"}
    await Observed(inner, instruments, new_id=lambda: ID)(scope, _nothing, _nothing)

    counts = {name: value for name, value in figures(instruments).items() if name[0] == f"{m.HTTP_DURATION.name}_count"}
    assert counts == {(f"{m.HTTP_DURATION.name}_count", "GET", status, "/v1/realtime"): 1.0}


async def test_a_request_costs_a_few_microseconds(instruments: Instruments, tmp_path: Path) -> None:
    """Measured: about 7 microseconds with all figures in a shared file; the bound leaves room for a slow machine."""

    async def inner(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for _ in range(20):
            await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    shared = Instruments(Cells(tmp_path, "measured"), now=lambda: NOW)
    shared.snapshot = instruments.snapshot
    observed = Observed(inner, shared, new_id=lambda: ID)
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "path_template": "/v1/chat/completions"}

    async def seconds(app: Any, count: int = 2000) -> float:
        best = 1.0
        for _ in range(3):
            began = time.perf_counter()
            for _ in range(count):
                await app(scope, _nothing, _nothing)
            best = min(best, (time.perf_counter() - began) / count)
        return best

    middleware = await seconds(observed) - await seconds(bare)
    batch = [command("hold.captured.v1", captured()), command("hold.authorized.v1", b"{}", Kind.HOLD)]
    began = time.perf_counter()
    for _ in range(2000):
        shared.ledger_batch(batch, [OK, OK], 0.001)
    ledger = (time.perf_counter() - began) / 2000
    sys.stdout.write(f"middleware {middleware * 1e6:.1f} us, ledger {ledger * 1e6:.1f} us per request\n")

    assert middleware + ledger < 100e-6
    shared.cells.close()
