"""Traces of a real server at a real collector, and the outbox between them when the collector is slow."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.observability.span_outbox import SpanOutbox
from tests.app.observability.test_node import scrape
from tests.app.observability.test_nothing_secret_is_written import listening
from tests.faults.world import MODEL, World, until, world

CALLERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLERS_SPAN = "00f067aa0ba902b7"
PROTOBUF = "google/_upb"
"""A library that only the exporter loads."""
TRACEPARENT = f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"


class Collector:
    """Keeps spans by name, or never answers."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resource: dict[str, Any] = {}
        self.hangs = False
        self.asked = asyncio.Event()

    async def serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.set()
        if self.hangs:
            await asyncio.Event().wait()
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = attributes(each.resource)
            self.spans += [span for scope in each.scope_spans for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")

    def of(self, request_id: str) -> dict[str, Any]:
        """Give the spans of a request: `request`, `hold`, `attempt 1`..., `capture` or `void`."""
        roots = [span for span in self.spans if attributes(span).get("tallygate.request_id") == request_id]
        if not roots:
            return {}
        found = {"request": roots[0]}
        for span in self.spans:
            if span.parent_span_id == roots[0].span_id:
                name = span.name if span.kind != 3 else f"attempt {sum(key[:7] == 'attempt' for key in found) + 1}"
                found[name] = span
        return found


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in span.attributes}


@pytest.fixture(scope="module")
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    async with listening(made.serve, "/v1/traces") as url:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
            yield made


@pytest.fixture(scope="module")
async def traced(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    assert not collector.spans
    settings = {"TRACES": "on", "TRACE_CONTEXT": "both"}
    async with world(tmp_path_factory.mktemp("traced") / "data", settings) as made:
        made.script("plain")
        yield made


async def spans_of(collector: Collector, request_id: str, last: str) -> dict[str, Any]:
    await until(lambda: last in collector.of(request_id), f"the span {last} of {request_id} has come")
    return collector.of(request_id)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_is_told_in_the_words_of_the_conventions(
    traced: World, collector: Collector, *, stream: bool
) -> None:
    told = await traced.ask(stream=stream)
    spans = await spans_of(collector, told.request_id, "capture")

    assert set(spans) == {"request", "hold", "attempt 1", "capture"}
    request, attempt = attributes(spans["request"]), attributes(spans["attempt 1"])
    assert (spans["request"].name, spans["request"].kind) == (f"chat {MODEL}", 2)
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 20,
        "http.response.status_code": 200,
    }
    assert (
        request.items()
        >= {
            **common,
            "gen_ai.request.stream": stream,
            "http.request.method": "POST",
            "http.route": "/v1/chat/completions",
            "tallygate.charge_nanos": 218_000,
            "tallygate.tenant_id": traced.tenant_id,
        }.items()
    )
    vendor = {"gen_ai.provider.name": "openai", "server.address": "127.0.0.1", "server.port": traced.vendor.port}
    assert attempt.items() >= {**common, **vendor}.items()
    assert ("gen_ai.response.time_to_first_chunk" in attempt) == stream
    assert attributes(spans["hold"]) == {"tallygate.code": "ok"}
    assert attributes(spans["capture"]) == {"tallygate.code": "ok"}
    times = [spans[name].start_time_unix_nano for name in ("request", "hold", "attempt 1", "capture")]
    assert times == sorted(times)
    assert collector.resource["service.name"] == "tallygate"


async def test_a_failed_attempt_is_a_span_of_its_own_with_the_class_of_its_error(
    traced: World, collector: Collector
) -> None:
    traced.script("error,status=500")
    told = await traced.ask()
    traced.script("plain")
    spans = await spans_of(collector, told.request_id, "void")

    assert attributes(spans["attempt 1"])["error.type"] == "500"
    assert spans["attempt 1"].status.code == 2
    assert attributes(spans["request"])["error.type"] == "502"
    assert "internal.example.com" not in str(collector.spans), "a vendor's words stay out"


async def test_the_callers_trace_goes_on_to_the_vendor(traced: World, collector: Collector) -> None:
    headers = {**traced.headers, "traceparent": TRACEPARENT}
    async with traced.http.post(
        f"{traced.server.url}/v1/chat/completions", json=traced.body(stream=False), headers=headers
    ) as reply:
        request_id = reply.headers["x-tallygate-request-id"]
        await reply.read()
    spans = await spans_of(collector, request_id, "capture")

    assert {span.trace_id.hex() for span in spans.values()} == {CALLERS_TRACE}
    assert spans["request"].parent_span_id.hex() == CALLERS_SPAN
    sent = traced.vendor.meter[-1].headers["traceparent"]
    assert sent == f"00-{CALLERS_TRACE}-{spans['attempt 1'].span_id.hex()}-01"


async def test_spans_are_counted_by_their_fate(traced: World, collector: Collector) -> None:
    async def counted() -> bool:
        return (await scrape(traced)).get(("tallygate_spans_total", "exported"), 0) == len(collector.spans) > 0

    await until(counted, "as many as have come are counted as exported")
    assert (await scrape(traced))["tallygate_spans_total", "dropped"] == 0
    # The control of what is not loaded without traces.
    assert PROTOBUF in Path(f"/proc/{traced.server.pid}/maps").read_text()


async def test_nobodys_trace_is_believed_or_sent_unless_that_is_asked_for(collector: Collector, tmp_path: Path) -> None:
    async with world(tmp_path / "data", {"TRACES": "on"}) as made:
        made.script("plain")
        made_headers = {**made.headers, "traceparent": TRACEPARENT}
        async with made.http.post(
            f"{made.server.url}/v1/chat/completions", json=made.body(stream=False), headers=made_headers
        ) as reply:
            request_id = reply.headers["x-tallygate-request-id"]
        spans = await spans_of(collector, request_id, "capture")

        assert spans["request"].trace_id.hex() != CALLERS_TRACE
        assert "traceparent" not in {name.lower() for name in made.vendor.meter[-1].headers}

        # A collector that never answers: requests go on, and so does the end of the server.
        collector.hangs = True
        collector.asked.clear()
        assert (await made.ask()).done
        await asyncio.wait_for(collector.asked.wait(), 10)
        began = time.monotonic()
        told = [await made.ask(stream=True) for _ in range(20)]
        assert all(each.done for each in told)
        assert time.monotonic() - began < 5
        assert await made.server.stop() == 0
        assert time.monotonic() - began < 12
        collector.hangs = False


async def test_without_traces_nothing_of_them_is_loaded_or_sent(collector: Collector, tmp_path: Path) -> None:
    async with world(tmp_path / "data", {"TRACE_CONTEXT": "both"}) as made:
        made.script("plain")
        before = len(collector.spans)
        assert (await made.ask()).done
        maps = Path(f"/proc/{made.server.pid}/maps").read_text()

        assert "traceparent" not in {name.lower() for name in made.vendor.meter[-1].headers}
        assert PROTOBUF not in maps, "the exporter's protobuf is not in memory"
        assert len(collector.spans) == before


class Stuck(SpanExporter):
    """Takes nothing until it is let go; then all."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()
        self.got = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.release.wait(30)
        self.got += len(spans)
        return SpanExportResult.SUCCESS


def test_what_a_slow_collector_leaves_no_room_for_is_dropped_counted_and_waited_for_by_nobody() -> None:
    exporter = Stuck()
    outbox = SpanOutbox(exporter, queue_max=100, batch_max=10, every_seconds=0.01)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(outbox)
    tracer = provider.get_tracer("test")
    tracer.start_span("first").end()
    assert exporter.entered.wait(5)
    began = time.perf_counter()
    for _ in range(500):
        tracer.start_span("more").end()
    took = time.perf_counter() - began

    assert outbox.dropped == 400
    assert took < 1, "2 milliseconds for each would be a wait"
    exporter.release.set()
    outbox.shutdown()
    assert (exporter.got, outbox.exported, outbox.dropped, outbox.failed) == (101, 101, 400, 0)


def test_an_exporter_that_fails_is_counted_and_asked_again() -> None:
    class Failing(SpanExporter):
        calls = 0

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            del spans
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("no route")
            return SpanExportResult.FAILURE if self.calls == 2 else SpanExportResult.SUCCESS

    outbox = SpanOutbox(Failing(), batch_max=1, every_seconds=0.01)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(outbox)
    for _ in range(3):
        provider.get_tracer("test").start_span("one").end()
    outbox.shutdown()

    assert (outbox.exported, outbox.failed, outbox.dropped) == (1, 2, 0)
