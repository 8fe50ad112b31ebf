"""Requests that no SDK sends: each gets a clear refusal in the words of its contract, and costs nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.acceptance.conftest import BODY_BYTES_MAX
from tests.support.operator import Customer, Operator
from tests.support.receipts import nanos
from tests.support.server import ServerProcess

CREDIT_NANOS = 5 * 10**9
DEEP = b"[" * 50_000 + b"]" * 50_000
GEMINI = "/v1beta/models/demo-chat:generateContent"

CONTRACTS: dict[str, bytes] = {
    "/v1/chat/completions": b'{"model":"demo-chat","messages":[{"role":"user","content":"Hi"}],"x":%s}',
    "/v1/completions": b'{"model":"demo-chat","prompt":"Hi","x":%s}',
    "/v1/embeddings": b'{"model":"demo-embedding","input":"Hi","x":%s}',
    "/v1/responses": b'{"model":"demo-chat","input":"Hi","x":%s}',
    "/v1/messages": b'{"model":"demo-chat","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"x":%s}',
    GEMINI: b'{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"x":%s}',
}
VALUES: dict[str, bytes] = {
    "no utf-8": b'"\xff\xfe"',
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "beyond floats": b"1e400",
    "beyond integers": b"9" * 5_000,
    "deep": DEEP,
    "half a surrogate": b'"\\ud800"',
    "a control character": b'"\x01"',
    "something behind it": b"1} {",
}


@pytest.fixture(scope="module")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture(scope="module")
async def anybody(operator: Operator) -> Customer:
    return await operator.customer()


async def ask(
    session: aiohttp.ClientSession, server: ServerProcess, customer: Customer, path: str, body: bytes, **headers: str
) -> tuple[int, Any]:
    given = {"authorization": f"Bearer {customer.secret}", "content-type": "application/json", **headers}
    async with session.post(server.url + path, data=body, headers=given) as reply:
        return reply.status, await reply.json()


def said(path: str, body: Any) -> tuple[Any, str]:
    """Give what an error is called in its contract, and its message; fails if it is of another form."""
    error = body["error"]
    if path == GEMINI:
        assert set(error) == {"code", "message", "status"}
        return error["status"], error["message"]
    if path == "/v1/messages":
        assert body["type"] == "error"
        return error["type"], error["message"]
    assert set(error) == {"message", "type", "param", "code"}
    return error["type"], error["message"]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("path", CONTRACTS)
async def test_what_is_no_json_or_too_much_of_it_is_refused_in_the_words_of_the_contract(
    session: aiohttp.ClientSession, server: ServerProcess, anybody: Customer, path: str, value: str
) -> None:
    status, body = await ask(session, server, anybody, path, CONTRACTS[path] % VALUES[value])

    name, message = said(path, body)
    assert (status, name) == (400, "INVALID_ARGUMENT" if path == GEMINI else "invalid_request_error")
    assert message in {
        "The request body is not valid JSON.",
        "The request body is nested too deeply.",
        "A number in the request body is out of range.",
    }


@pytest.mark.parametrize("path", CONTRACTS)
async def test_compressed_and_huge_bodies_are_refused_with_a_word_on_why(
    session: aiohttp.ClientSession, server: ServerProcess, anybody: Customer, path: str
) -> None:
    packed, body = await ask(session, server, anybody, path, b"\x1f\x8b\x08", **{"content-encoding": "gzip"})
    assert packed == 415
    assert "gzip" in said(path, body)[1]

    huge, body = await ask(session, server, anybody, path, CONTRACTS[path] % (b'"' + b"x" * BODY_BYTES_MAX + b'"'))
    assert huge == 413
    assert str(BODY_BYTES_MAX) in said(path, body)[1]


async def test_a_member_given_twice_counts_once_and_as_it_is_forwarded(
    session: aiohttp.ClientSession, server: ServerProcess, anybody: Customer
) -> None:
    twice = b'{"model":"no-such","max_tokens":2,"max_tokens":1,'
    body = twice + (CONTRACTS["/v1/chat/completions"] % b"1")[1:]

    status, answer = await ask(session, server, anybody, "/v1/chat/completions", body)

    assert (status, answer["usage"]["completion_tokens"]) == (200, 1)


async def test_an_idempotency_key_is_a_tenants_own_and_of_one_request_only(
    session: aiohttp.ClientSession, server: ServerProcess, operator: Operator
) -> None:
    one, other = await operator.customer(), await operator.customer()
    key = {"idempotency-key": "the-very-same"}
    both = b'{"model":"demo-chat","messages":[{"role":"user","content":"Hi"}],"prompt":"Hi"}'
    gemini = b'{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}'

    first = await ask(session, server, one, "/v1/chat/completions", both, **key)
    stranger = await ask(session, server, other, "/v1/chat/completions", both, **key)
    again = await ask(session, server, one, "/v1/chat/completions", both, **key)
    elsewhere = await ask(session, server, one, "/v1/completions", both, **key)
    plain = await ask(session, server, one, GEMINI, gemini, **{"idempotency-key": "another"})
    counted = await ask(
        session, server, one, GEMINI.replace("demo-chat", "acme-0"), gemini, **{"idempotency-key": "another"}
    )

    assert (first[0], stranger[0], again[0], plain[0]) == (200, 200, 409, 200)
    assert again[1]["error"]["code"] == "already_charged"
    assert (elsewhere[0], elsewhere[1]["error"]["code"]) == (422, "idempotency_key_reused")
    assert counted[0] in (404, 422), "another model is another request"


async def test_pipelined_old_and_chunked_requests_are_answered_and_each_is_charged_once(
    server: ServerProcess, operator: Operator
) -> None:
    customer = await operator.customer()
    where = urlsplit(server.url)
    body = CONTRACTS["/v1/chat/completions"] % b"1"
    head = b"POST /v1/chat/completions HTTP/1.%d\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
    key = customer.secret.encode()
    whole = head % (1, key) + b"Content-Length: %d\r\n\r\n" % len(body) + body
    cut = head % (1, key) + b"Transfer-Encoding: chunked\r\n\r\n"
    cut += b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    old = head % (0, key) + b"Content-Length: %d\r\n\r\n" % len(body) + body

    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(whole + cut + old)
    async with asyncio.timeout(30):
        told = await reader.read()
    writer.close()

    answers = told.split(b"HTTP/1.")[1:]
    assert [answer[:5] for answer in answers] == [b"1 200"] * 3
    charges = [line for line in told.split(b"\r\n") if line.lower().startswith(b"x-tallygate-charge: ")]
    total = sum(nanos(line.split(b": ")[1].decode()) for line in charges)
    assert len(charges) == 3
    assert nanos((await customer.balance())["balance"]) == CREDIT_NANOS - total


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ],
)
async def test_what_is_no_http_is_refused_and_hung_up_on(server: ServerProcess, request_: bytes) -> None:
    where = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(request_)
    async with asyncio.timeout(30):
        told = await reader.read()
    writer.close()

    assert told.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 ")), told
    assert b"Traceback" not in told


async def test_headers_of_64_kilobytes_are_refused_with_a_word_on_why(server: ServerProcess) -> None:
    where = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 2**16 + b"\r\n\r\n")
    async with asyncio.timeout(30):
        told = await reader.read()
    writer.close()

    assert told.startswith(b"HTTP/1.1 431 ")
    assert json.loads(told.partition(b"\r\n\r\n")[2])["error"]["code"] == "headers_too_large"


async def test_none_of_what_was_refused_was_charged(anybody: Customer) -> None:
    balance = await anybody.balance()

    assert nanos(balance["held"]) == 0
    # The one call that was answered here is no dearer than this.
    assert CREDIT_NANOS - 100_000 < nanos(balance["balance"]) <= CREDIT_NANOS
