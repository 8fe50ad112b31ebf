"""A conversation keeps its key from turn to turn."""

import json
from typing import Any

import pytest

from domain.relay.call import Call
from domain.routing.conversation import conversation_key

SYSTEM = {"role": "system", "content": "Be brief."}
HELLO = {"role": "user", "content": "Hello"}
ANSWER = {"role": "assistant", "content": "Hi."}
MORE = {"role": "user", "content": "Go on"}


def key(body: Any, **more: Any) -> str:
    return conversation_key(Call(surface="chat", model="m", body=json.dumps(body).encode(), **more))


def test_later_turns_have_the_key_of_the_first() -> None:
    first = key({"model": "m", "messages": [SYSTEM, HELLO]})

    assert first
    assert key({"model": "m", "stream": True, "messages": [SYSTEM, HELLO, ANSWER, MORE]}) == first
    assert key({"model": "m", "messages": [SYSTEM, MORE]}) != first
    assert key({"model": "m", "messages": [HELLO]}) != first


def test_other_contracts_have_keys_as_well() -> None:
    assert key({"system": "Be brief.", "messages": [HELLO]}) != key({"system": "Be long.", "messages": [HELLO]})
    assert key({"contents": [{"role": "user", "parts": []}]})
    assert key({"input": "Hello"})
    assert key({"input": [HELLO]}) == key({"input": [HELLO, ANSWER, MORE]})


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"messages":[]}', b'{"messages":[1]}', b'{"messages":"x"}', b"\xff"]
)
def test_what_cannot_be_read_never_fails(body: bytes) -> None:
    assert isinstance(conversation_key(Call(surface="chat", model="m", body=body)), str)
    assert conversation_key(Call(surface="embeddings", model="m", body=b'{"input":"x"}')) == ""
