"""Tools that vendors run and bill: which ones a request asks for, and which are refused."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.pricing.rate_card import ModelPrice
from domain.relay.dialect import UnsupportedParameterError
from domain.relay.hosted import (
    NOTHING,
    OPTION,
    SEARCHES_MAX,
    SOURCES_MAX,
    Hosted,
    Searches,
    hosted_tools,
    refuse_unpaid,
)

SOLD = ModelPrice(input=Decimal(1), output=Decimal(2), per_search=Decimal("0.01"))
PLAIN = ModelPrice(input=Decimal(1), output=Decimal(2))
BY_CALL = ModelPrice(per_call=Decimal("0.03"))


def asked(model: str = "", **members: Any) -> Hosted:
    return hosted_tools(json.dumps(members).encode(), model=model)


@pytest.mark.parametrize(
    ("members", "searches", "by"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]}, 3, "tools"),
        ({"tools": [{"type": "web_search_20260209", "name": "web_search"}]}, SEARCHES_MAX, "tools"),
        ({"tools": [{"type": "web_search"}]}, SEARCHES_MAX, "tools"),
        ({"tools": [{"type": "web_search_preview"}], "max_tool_calls": 4}, 4, "tools"),
        ({"tools": [{"googleSearch": {}}]}, SEARCHES_MAX, "tools"),
        ({"tools": [{"google_search_retrieval": {}}]}, SEARCHES_MAX, "tools"),
        ({"tools": [{"enterpriseWebSearch": {}}]}, SEARCHES_MAX, "tools"),
        ({"web_search_options": {}}, 1, "web_search_options"),
        ({"search_parameters": {"mode": "auto"}}, SOURCES_MAX, "search_parameters"),
        ({"search_parameters": {"mode": "on", "max_search_results": 5}}, 5, "search_parameters"),
        ({"plugins": [{"id": "web", "max_results": 2}]}, 2, "plugins"),
    ],
)
def test_searches_are_found_in_every_contract_and_bounded(members: dict[str, Any], searches: int, by: str) -> None:
    found = asked(**members)

    assert found.searches == searches
    assert found.searching is not None
    assert found.searching[0] == by
    assert found.unmetered is None


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}, "file_search"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "code_interpreter"),
        ({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, "code_execution_20250825"),
        ({"tools": [{"type": "image_generation"}]}, "image_generation"),
        ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, "code_interpreter"),
        ({"tools": [{"type": "x_search"}]}, "x_search"),
        ({"tools": [{"googleMaps": {}}]}, "googleMaps"),
        ({"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]}, "$web_search"),
        ({"enable_search": True}, "$web_search"),
        ({"web_search": {"enable": True}}, "$web_search"),
        ({"EnableEnhancement": True}, "$web_search"),
        ({"input": {}, "parameters": {"enable_search": True}}, "$web_search"),
    ],
)
def test_tools_that_nobody_counts_are_found(members: dict[str, Any], name: str) -> None:
    found = asked(**members)

    assert found.unmetered is not None
    assert found.unmetered[1] == name
    for searches in ("reported", "asked", "included", ""):
        with pytest.raises(UnsupportedParameterError, match=name.replace("$", r"\$")):
            refuse_unpaid(found, SOLD, searches=searches, options={})
    refuse_unpaid(found, PLAIN, searches="", options={OPTION: "true"})


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"messages": [{"role": "user", "content": "a web_search with code_interpreter and googleSearch, please"}]},
        {"tools": [{"type": "function", "function": {"name": "web_search"}}]},
        {"tools": [{"type": "custom", "name": "file_search"}]},
        {"tools": [{"name": "web_search", "input_schema": {}}]},
        {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]},
        {"tools": [{"type": "mcp", "server_label": "search"}]},
        {"tools": [{"type": "shell", "environment": {"type": "local"}}]},
        {"tools": [{"functionDeclarations": [{"name": "googleSearch"}]}, {"codeExecution": {}}, {"urlContext": {}}]},
        {"tools": [{"code_execution": {}}]},
        {"search_parameters": {"mode": "off"}},
        {"plugins": [{"id": "web", "enabled": False}]},
        {"enable_search": False},
        {"parameters": {"enable_search": False}},
        {"tools": [{"type": "web_search", "web_search": {"enable": False}}]},
    ],
)
def test_what_costs_tokens_only_or_is_the_clients_own_is_none_of_them(members: dict[str, Any]) -> None:
    assert asked(**members) == NOTHING


def test_models_that_search_by_themselves_are_known_by_name() -> None:
    assert asked("gpt-4o-search-preview", messages=[]) == Hosted(1, 0, ("model", "gpt-4o-search-preview"), is_each=True)
    assert asked("sonar-deep-research", messages=[]) == Hosted(SEARCHES_MAX)
    assert hosted_tools(b'{"model":"gpt-5-search-api"}').is_each
    assert asked("openai/gpt-5:online", messages=[]).searching == ("model", "web_search")


def test_what_a_search_brings_into_the_prompt_is_reckoned_with_where_the_vendor_bills_it() -> None:
    assert asked(tools=[{"type": "web_search", "max_uses": 3}]).tokens == 24_000
    assert asked(tools=[{"googleSearch": {}}]).tokens == 0
    assert asked(web_search_options={}).tokens == 0


def test_a_tool_whose_name_is_written_in_escapes_is_found() -> None:
    body = rb'{"tools":[{"type":"web_\u0073earch"}]}'.replace(b"web_", rb"\u0077eb_")

    assert hosted_tools(body).searching == ("tools", "web_search")


@pytest.mark.parametrize(
    ("price", "searches", "passes"),
    [
        (SOLD, "reported", True),
        (SOLD, "asked", True),
        (PLAIN, "included", True),
        (PLAIN, "reported", False),
        (PLAIN, "asked", False),
        # A price for what nobody counts charges nobody.
        (SOLD, "", False),
        (BY_CALL, "reported", False),
    ],
)
def test_searches_need_a_price_and_a_vendor_that_tells_of_them(
    price: ModelPrice, searches: Searches, *, passes: bool
) -> None:
    found = asked(tools=[{"type": "web_search_20250305", "name": "web_search"}])

    if passes:
        refuse_unpaid(found, price, searches=searches, options={OPTION: "false"})
    else:
        with pytest.raises(UnsupportedParameterError, match="web_search_20250305") as refused:
            refuse_unpaid(found, price, searches=searches, options={})
        assert refused.value.param == "tools"
    refuse_unpaid(found, price, searches=searches, options={OPTION: "true"})


def test_a_search_with_every_answer_is_paid_by_a_price_for_the_call_as_well() -> None:
    refuse_unpaid(asked(web_search_options={}), BY_CALL, searches="asked", options={})
    with pytest.raises(UnsupportedParameterError):
        refuse_unpaid(asked(web_search_options={}), PLAIN, searches="asked", options={})


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["web_search", "shell", "web"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "id", "max_uses", "environment", "function", "name", "mode", "enable"]), inner
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["tools", "plugins", "search_parameters", "max_tool_calls", "web_search", "model", "search"]),
        odd,
    )
)
def test_odd_requests_raise_nothing(members: dict[str, Any]) -> None:
    assert asked(**{name: value for name, value in members.items() if name != "model"}, model_="search").searches >= 0
    assert hosted_tools(json.dumps(members | {"x": "search"}).encode()).searches >= 0


@given(st.binary(max_size=50))
def test_random_bytes_ask_for_nothing(noise: bytes) -> None:
    assert hosted_tools(noise + b"web_search") == NOTHING
