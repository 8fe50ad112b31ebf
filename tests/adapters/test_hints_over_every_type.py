"""What changes no answer, over every channel type that chats: no vendor that lacks it is a reason to refuse."""

import datetime as dt
from typing import Any, Final

import msgspec
import pytest

from adapters.channel_types import TYPES
from app.relay.surfaces import SURFACES
from app.relay.translation import translation
from domain.relay.call import ClientDialect
from domain.relay.channel_type import ChannelType
from domain.relay.dialect import Target, UnsupportedParameterError
from tests.support.dialects import SAID

CHATTING: Final = [row for row in TYPES.values() if row.retired is None and "chat" in row.surfaces]
KEYS: Final = {"spark": "app|secret|key", "hunyuan": "id|secret", "zhipu_v3": "id.secret", "bedrock": "id|secret"}
IDLE: Final[dict[str, Any]] = {
    "user": "u-1",
    "safety_identifier": "u-1",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "store": True,
    "metadata": {"a": "b"},
    "reasoning_effort": "none",
    "n": 1,
    "logprobs": False,
    "presence_penalty": 0,
    "frequency_penalty": 0.0,
    "logit_bias": {},
    "response_format": {"type": "text"},
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "service_tier": "auto",
    "modalities": ["text"],
    "stop": None,
    "stream_options": {"include_usage": True},
}


def encoded(
    row: ChannelType, members: dict[str, Any], *, contract: ClientDialect = "openai", **target_members: Any
) -> bytes:
    """Give what the vendor is sent for a chat with these members."""
    surface = SURFACES[contract]
    said = {"input": "Hi"} if contract == "responses" else {"messages": [{"role": "user", "content": "Hi"}]}
    body = {"model": "m", "stream": True, **said, **members}
    call = surface.parse("chat", msgspec.json.encode(body))
    way = translation(
        call, surface=surface, channel_type=row, model="vm", canonical=lambda: surface.canonical(call), said=SAID
    )
    target = Target(
        base_url="https://vendor.example",
        key=KEYS.get(row.name, "key"),
        model="vm",
        options={"account_id": "a", "project": "p", "location": "l", "library_id": "l", "region": "r"},
        access_token="token",
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        request_id="00000000-0000-7000-8000-000000000000",
    )
    return way.encode(msgspec.structs.replace(target, **target_members)).body


@pytest.mark.parametrize("name", IDLE)
@pytest.mark.parametrize("row", CHATTING, ids=lambda row: row.name)
def test_what_asks_for_nothing_is_refused_by_no_vendor(row: ChannelType, name: str) -> None:
    assert encoded(row, {name: IDLE[name]})


@pytest.mark.parametrize("row", CHATTING, ids=lambda row: row.name)
def test_what_nobody_knows_is_passed_on_or_refused_by_name(row: ChannelType) -> None:
    """The control: a member that may change the answer is never lost."""
    sent, refused = b"", ""
    try:
        sent = encoded(row, {"thing_of_tomorrow": 1})
    except UnsupportedParameterError as error:
        refused = error.param
    assert b'"thing_of_tomorrow":1' in sent or refused == "thing_of_tomorrow"


@pytest.mark.parametrize("name", ["models", "route"])
def test_a_vendor_may_not_answer_by_another_model_than_the_one_that_is_charged(name: str) -> None:
    with pytest.raises(UnsupportedParameterError) as refused:
        encoded(TYPES["openrouter"], {name: ["dear/model"]})

    assert refused.value.param == name


CONTRACTS: Final[tuple[ClientDialect, ...]] = ("openai", "responses")


@pytest.mark.parametrize("tier", ["priority", "fast", "scale"])
@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("name", ["openai", "azure"])
def test_a_service_tier_dearer_than_the_price_is_refused_unless_the_operator_allows_it(
    name: str, contract: ClientDialect, tier: str
) -> None:
    with pytest.raises(UnsupportedParameterError) as refused:
        encoded(TYPES[name], {"service_tier": tier}, contract=contract)
    assert refused.value.param == "service_tier"

    dropped = encoded(TYPES[name], {"service_tier": tier}, contract=contract, drops_unsupported=True)
    allowed = encoded(TYPES[name], {"service_tier": tier}, contract=contract, options={"dear_tiers": "true"})
    assert b"service_tier" not in dropped
    assert f'"service_tier":"{tier}"'.encode() in allowed


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("tier", ["auto", "default", "flex"])
def test_a_service_tier_that_is_no_dearer_passes(contract: ClientDialect, tier: str) -> None:
    assert f'"service_tier":"{tier}"'.encode() in encoded(TYPES["openai"], {"service_tier": tier}, contract=contract)
