"""The load generator: a process of its own that takes orders on its standard input and answers with what it measured.

Light, for it shares the cores with what it measures: prepared bytes, kept-alive connections on bare protocols, one
request at a time on each. Two ways to send: closed (each connection asks again as soon as it is answered) and paced
(requests fall due at even intervals, and their latency counts from then, whether or not a connection was free).
"""

import array
import asyncio
import re
import sys
import time
from collections import Counter, deque
from itertools import cycle
from typing import Final, cast

import msgspec
import uvloop

from tests.bench.procfs import cpu_seconds, machine_cpu

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_STREAM_END: Final = b"\r\n0\r\n\r\n"
_TAIL_BYTES: Final = 64
_PATIENCE_SECONDS: Final = 30.0
PROMPT: Final = (
    "You are the assistant of a shop. Answer in one short paragraph, in plain words and without a list. "
    "A customer asks: my parcel has been on its way for nine days, the tracking page has said 'in transit' since "
    "Monday, and I am leaving for a trip on Friday. Can you find out where it is, and can it be sent on to a "
    "neighbor if it comes while I am away?"
)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement."""

    port: int
    model: str
    tokens: list[str]
    """Whose requests they are, in turn."""
    stream: bool = False
    connections: int
    spread_seconds: float = 0.0
    """The first requests go out over so long, for long streams would otherwise run in step."""
    requests_per_second: float | None = None
    """Paced at this rate; None sends as fast as answers come."""
    warmup_seconds: float
    seconds: float
    pids: dict[str, list[int]]
    """Processes whose CPU is charged to a part."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What one measurement gave; times in milliseconds."""

    requests: int
    seconds: float
    faults: dict[str, int]
    latency_p50: float
    latency_p99: float
    first_chunk_p50: float
    first_chunk_p99: float
    cpu_seconds: dict[str, float]
    """By part; `load` is the generator itself."""
    others_cores: float
    """Cores that processes of nobody here used, and that the host took."""

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class _Run:
    def __init__(self, order: Order) -> None:
        self.order = order
        body = {"model": order.model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 256}
        if order.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        encoded = msgspec.json.encode(body)
        self.requests = cycle(
            [
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (token.encode(), len(encoded), encoded)
                for token in order.tokens
            ]
        )
        self.latencies = array.array("d")
        self.first_chunks = array.array("d")
        self.faults: Counter[str] = Counter()
        self.measuring = False
        self.stopping = False
        self.idle: deque[_Connection] = deque()
        self.due: deque[float] = deque()
        self.busy = 0
        self.quiet = asyncio.Event()

    async def run(self) -> Sample:
        order = self.order
        loop = asyncio.get_running_loop()
        connections = []
        for _ in range(order.connections):
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", order.port)
            connections.append(connection)
        pacing = None
        if order.requests_per_second is None:
            for number, connection in enumerate(connections):
                loop.call_later(number * order.spread_seconds / len(connections), connection.ask, None)
        else:
            self.idle.extend(connections)
            pacing = asyncio.create_task(self._pace(1 / order.requests_per_second))
        await asyncio.sleep(order.warmup_seconds)
        cpu, machine, began = self._cpu(), machine_cpu(), time.perf_counter()
        self.measuring = True
        await asyncio.sleep(order.seconds)
        self.measuring = False
        seconds = time.perf_counter() - began
        used = {part: after - cpu[part] for part, after in self._cpu().items()}
        now = machine_cpu()
        self.stopping = True
        if pacing is not None:
            pacing.cancel()
        if self.busy:
            await asyncio.wait_for(self.quiet.wait(), _PATIENCE_SECONDS)
        for connection in connections:
            connection.transport.close()
        spent = now.busy + now.stolen - machine.busy - machine.stolen
        return Sample(
            requests=len(self.latencies),
            seconds=seconds,
            faults=dict(self.faults),
            latency_p50=_percentile(self.latencies, 0.5),
            latency_p99=_percentile(self.latencies, 0.99),
            first_chunk_p50=_percentile(self.first_chunks, 0.5),
            first_chunk_p99=_percentile(self.first_chunks, 0.99),
            cpu_seconds=used,
            others_cores=max(0.0, spent - sum(used.values())) / seconds,
        )

    def _cpu(self) -> dict[str, float]:
        return {part: cpu_seconds(pids) for part, pids in self.order.pids.items()} | {"load": time.process_time()}

    async def _pace(self, interval: float) -> None:
        due = time.perf_counter()
        while True:
            due += interval
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            if self.idle:
                self.idle.popleft().ask(due)
            else:
                self.due.append(due)

    def answered(self, connection: "_Connection") -> None:
        """Take an answer, and give the connection its next request."""
        now = time.perf_counter()
        self.busy -= 1
        if connection.fault:
            self.faults[connection.fault] += 1
        elif self.measuring:
            self.latencies.append(now - connection.asked_at)
            if self.order.stream:
                self.first_chunks.append(connection.first_chunk_at - connection.asked_at)
        if self.stopping:
            if not self.busy:
                self.quiet.set()
        elif self.order.requests_per_second is None:
            connection.ask(None)
        elif self.due:
            connection.ask(self.due.popleft())
        else:
            self.idle.append(connection)


class _Connection(asyncio.Protocol):
    """One kept-alive connection with one request under way at most, so an answer ends where its bytes end."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.asked_at = 0.0
        self.first_chunk_at = 0.0
        self.fault = ""
        self.asking = False
        self.head: bytes | None = b""
        self.left: int | None = None
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class does not inherit from it

    def ask(self, due: float | None) -> None:
        """Send the next request."""
        if self.run.stopping:
            return
        self.head, self.tail, self.left, self.fault, self.first_chunk_at = b"", b"", None, "", 0.0
        self.asking = True
        self.run.busy += 1
        self.asked_at = time.perf_counter() if due is None else due
        self.transport.write(next(self.run.requests))

    def data_received(self, data: bytes) -> None:
        if self.head is not None:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._read_head(self.head[: end + 2])
            data = self.head[end + 4 :]
            self.head = None
            if not data:
                return
        if not self.first_chunk_at:
            self.first_chunk_at = time.perf_counter()
        if self.left is not None:
            self.left -= len(data)
            if self.left <= 0:
                self._done()
            return
        self.tail = (self.tail + data)[-_TAIL_BYTES:]
        if self.tail.endswith(_STREAM_END):
            if b"[DONE]" not in self.tail:
                self.fault = self.fault or "stream without its end mark"
            self._done()

    def _read_head(self, head: bytes) -> None:
        if head[9:12] != b"200":
            self.fault = f"status {head[9:12].decode()}"
        length = _LENGTH.search(head)
        self.left = int(length[1]) if length is not None else None

    def _done(self) -> None:
        self.asking = False
        self.run.answered(self)

    def connection_lost(self, _: Exception | None) -> None:
        if self.asking:
            # It asks no more: the run goes on with fewer, and says so.
            self.asking = False
            self.run.busy -= 1
            self.run.faults["connection lost"] += 1
            if self.run.stopping and not self.run.busy:
                self.run.quiet.set()


def _percentile(seconds: "array.array[float]", share: float) -> float:
    """Give a percentile in milliseconds; 0 of nothing."""
    if not seconds:
        return 0.0
    ranked = sorted(seconds)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] * 1000


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=16 * 2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        sample = await _Run(msgspec.json.decode(line, type=Order)).run()
        sys.stdout.buffer.write(msgspec.json.encode(sample) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
