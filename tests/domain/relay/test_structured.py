from typing import Any

import pytest

from domain.relay.chat import ChatRequest, Message, ResponseFormat, Text
from domain.relay.structured import fault_of, in_words, needs_words, unfenced

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"node": {"type": "object", "properties": {"v": {"type": "number"}}, "required": ["v"]}},
}
SHAPE = ResponseFormat(kind="json_schema", name="person", schema=SCHEMA)
ASKED = ChatRequest(
    messages=(Message("system", (Text("Be brief."),)), Message("user", (Text("Who?"),))), response_format=SHAPE
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"name":"x"}', ""),
        ('{"name":"x","age":3.0,"tags":["a","b"],"next":{"v":1}}', ""),
        ('{"name":"x","next":null}', ""),
        ("Sure! Here it is", "it is not JSON"),
        ("[1]", "$ is not of type object"),
        ('{"age":1}', "$.name is missing"),
        ('{"name":1}', "$.name is not of type string"),
        ('{"name":"x","age":true}', "$.age is not of type integer"),
        ('{"name":"x","tags":["c"]}', "$.tags[0] is none of the values allowed"),
        ('{"name":"x","extra":1}', "$.extra may not be there"),
        ('{"name":"x","next":{}}', "$.next.v is missing"),
    ],
)
def test_an_answer_is_checked_against_the_schema(text: str, fault: str) -> None:
    assert fault_of(text, SHAPE) == fault


def test_a_json_object_must_be_one() -> None:
    assert fault_of("[]", ResponseFormat(kind="json_object")) == "it is not a JSON object"
    assert fault_of("{}", ResponseFormat(kind="json_object")) == ""


def test_a_schema_that_refers_to_itself_forever_ends() -> None:
    endless = ResponseFormat(kind="json_schema", schema={"$ref": "#"})

    assert fault_of("{}", endless) == ""


@pytest.mark.parametrize(
    ("text", "want"),
    [('```json\n{"a":1}\n```', '{"a":1}'), ("```\n1\n```", "1"), ('{"a":1}', '{"a":1}'), ("```", "```")],
)
def test_a_code_fence_around_the_answer_is_taken_off(text: str, want: str) -> None:
    assert unfenced(text) == want


def test_the_format_is_put_into_words_after_the_client_s_own_instructions() -> None:
    asked = in_words(ASKED, frozenset())

    assert [message.role for message in asked.messages] == ["system", "system", "user"]
    assert '"required":["name"]' in asked.messages[1].text
    assert asked.response_format is None


def test_a_vendor_that_knows_json_objects_is_told_so_too() -> None:
    asked = in_words(ASKED, frozenset({"json_object"}))

    assert asked.response_format == ResponseFormat(kind="json_object")


def test_only_what_the_vendor_lacks_is_put_into_words() -> None:
    assert needs_words(ASKED, frozenset({"json_object"}))
    assert not needs_words(ASKED, frozenset({"json_schema"}))
    assert not needs_words(ChatRequest(messages=()), frozenset())
