"""JSON schemas cut to what vendors take; Anthropic's own SDK is the oracle for its part."""

from typing import Any

import pytest
from anthropic.lib._parse._transform import transform_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.schemas import DEPTH_MAX, json_schema, openapi_schema, strict_schema
from domain.relay.call import InvalidRequestError

_numbers = st.builds(
    lambda kind, low: {"type": kind} | ({} if low is None else {"minimum": low, "maximum": 99}),
    st.sampled_from(["integer", "number"]),
    st.none() | st.integers(0, 9),
)
_words = st.builds(
    lambda length, text: {"type": "string"} | ({} if length is None else {"maxLength": length}) | text,
    st.none() | st.integers(0, 9),
    st.sampled_from([{}, {"description": "d"}]),
)
_schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(
    _numbers | _words,
    lambda inner: (
        st.builds(lambda each: {"type": "array", "items": each, "minItems": 1}, inner)
        | st.builds(lambda each: {"type": "array", "items": each, "minItems": 2}, inner)
        | st.builds(
            lambda each: {"type": "object", "properties": each, "required": sorted(each)},
            st.dictionaries(st.sampled_from(["minimum", "a", "type", "pattern"]), inner, max_size=3),
        )
        | st.builds(lambda each: {"anyOf": each}, st.lists(inner, min_size=1, max_size=2))
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(_schemas)
def test_schema_is_cut_as_anthropics_sdk_cuts_it(schema: dict[str, Any]) -> None:
    assert strict_schema(schema) == transform_schema(schema)


def test_names_of_properties_are_no_keywords() -> None:
    schema = {"type": "object", "properties": {"minimum": {"type": "string"}, "enum": {"type": "string"}}}

    assert strict_schema(schema) == schema | {"additionalProperties": False}
    assert openapi_schema(schema) == schema


@pytest.mark.parametrize(
    ("schema", "want"),
    [
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"const": "x"}, {"enum": ["x"]}),
        ({"$schema": "s", "type": "string", "additionalProperties": False}, {"type": "string"}),
        (
            {"type": "array", "items": {"$ref": "#/definitions/A"}, "definitions": {"A": {"type": "integer"}}},
            {"type": "array", "items": {"type": "integer"}},
        ),
    ],
)
def test_openapi_knows_no_references_and_says_null_by_a_mark(schema: dict[str, Any], want: dict[str, Any]) -> None:
    assert openapi_schema(schema) == want


def test_googles_own_form_is_read_back() -> None:
    asked = {
        "type": "OBJECT",
        "properties": {"any_of": {"any_of": [{"type": "STRING"}]}, "n": {"type": "INTEGER", "nullable": True}},
        "propertyOrdering": ["n"],
    }

    assert json_schema(asked) == {
        "type": "object",
        "properties": {"any_of": {"anyOf": [{"type": "string"}]}, "n": {"type": ["integer", "null"]}},
    }


def test_schema_without_an_end_is_refused() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(DEPTH_MAX + 2):
        deep = {"type": "array", "items": deep}

    for cut in (strict_schema, openapi_schema, json_schema):
        with pytest.raises(InvalidRequestError, match="nested too deeply"):
            cut(deep)
    with pytest.raises(InvalidRequestError, match="refers to"):
        openapi_schema({"$ref": "#/$defs/Missing"})


def test_references_that_multiply_are_bounded() -> None:
    definitions = {f"A{n}": {"anyOf": [{"$ref": f"#/$defs/A{n + 1}"}] * 8} for n in range(30)}
    schema = {"$ref": "#/$defs/A0", "$defs": definitions | {"A30": {"type": "string"}}}

    with pytest.raises(InvalidRequestError):
        openapi_schema(schema)
