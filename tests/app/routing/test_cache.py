"""Answers given again: to the same tenant, for the same bytes, for as long as both sides allow."""

import msgspec
import pytest

from app.relay.surfaces import GEMINI_ARRAY, SURFACES
from app.routing.cache import ANY, AnswerCache, Wish, wish_of
from domain.ids import TenantId
from domain.metering.usage import TokenUsage
from domain.relay.call import parse_call

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
CALL = parse_call("chat", BODY)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def keep(cache: AnswerCache, key: bytes, body: bytes = b"{}") -> None:
    cache.put(key, body, media_type="application/json", usage=TokenUsage(), model_routed="m", channel_id="c")


def test_the_same_request_of_the_same_tenant_is_answered_until_it_is_too_old() -> None:
    clock = Clock()
    cache = AnswerCache(1_000_000, clock)
    key = AnswerCache.key(TenantId(1), CALL)
    keep(cache, key, b"an answer")

    clock.now += 60
    found = cache.get(key, seconds=60)
    assert found is not None
    assert found.body == b"an answer"
    clock.now += 1
    assert cache.get(key, seconds=60) is None


def test_another_tenant_another_body_or_another_surface_is_another_request() -> None:
    other = parse_call("chat", BODY.replace(b"hi", b"ho"))
    spaced = parse_call("chat", BODY.replace(b":", b": "))

    keys = {AnswerCache.key(TenantId(tenant), call) for tenant in (1, 2) for call in (CALL, other, spaced)}

    assert len(keys) == 6


def test_what_the_path_and_the_headers_say_makes_another_request_of_the_same_bytes() -> None:
    body = b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'
    whole, events = (SURFACES["gemini"].parse("chat", body, model="m", stream=stream) for stream in (False, True))
    listed = GEMINI_ARRAY.parse("chat", body, model="m", stream=True)
    beta = msgspec.structs.replace(CALL, headers={"anthropic-beta": "context-1m"})

    keys = {
        AnswerCache.key(TenantId(1), whole),
        AnswerCache.key(TenantId(1), events),
        AnswerCache.key(TenantId(1), listed, form="array"),
        AnswerCache.key(TenantId(1), CALL),
        AnswerCache.key(TenantId(1), beta),
    }

    assert len(keys) == 5


@pytest.mark.parametrize(
    ("header", "wish"),
    [
        (None, ANY),
        (b"max-age=30", Wish(age_seconds_max=30.0)),
        (b"no-cache", Wish(may_read=False)),
        (b"max-age=0", Wish(may_read=False, age_seconds_max=0.0)),
        (b"No-Store, max-age=30", Wish(may_read=False, may_keep=False, age_seconds_max=30.0)),
        (b"max-age=soon, private", ANY),
    ],
)
def test_the_clients_cache_control_is_heeded(header: bytes | None, wish: Wish) -> None:
    assert wish_of(header) == wish


def test_a_client_that_wants_it_fresh_gets_none_that_is_older() -> None:
    clock = Clock()
    cache = AnswerCache(1_000_000, clock)
    keep(cache, b"k")
    clock.now += 10

    assert cache.get(b"k", seconds=60, wish=Wish(age_seconds_max=9)) is None
    assert cache.get(b"k", seconds=60, wish=Wish(age_seconds_max=11)) is not None
    assert cache.get(b"k", seconds=60, wish=Wish(may_read=False)) is None


def test_the_room_is_bounded_and_what_is_not_asked_for_goes_first() -> None:
    cache = AnswerCache(100_000, Clock())
    for number in range(100):
        keep(cache, b"%d" % number, b"x" * 1_000)
        cache.get(b"0", seconds=60)

    assert cache.bytes <= 100_000
    assert cache.get(b"0", seconds=60) is not None
    assert cache.get(b"1", seconds=60) is None


def test_an_answer_that_would_fill_the_room_is_not_kept() -> None:
    cache = AnswerCache(100_000, Clock())
    keep(cache, b"k", b"x" * 50_000)

    assert cache.get(b"k", seconds=60) is None
    assert cache.bytes == 0
