"""A sweep over every operation of the API's document, with the ids of somebody else in every place that takes one."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from adapters.ids import new_id
from app.api.document import document, operations
from app.api.examples import EXAMPLES
from tests.app.api.conftest import Person

Ids = Mapping[str, str]
"""What each kind of id is called in paths, queries and bodies, and one of them."""


class Spot(NamedTuple):
    """A place of an operation that takes an id of something that belongs to a tenant."""

    where: str
    """`path`, `query` or `body`."""
    name: str
    """In a body the way to it, such as items/0/id."""
    kind: str


class Operation(NamedTuple):
    """One operation, ready to be called."""

    name: str
    method: str
    path: str
    spots: tuple[Spot, ...]
    query: Mapping[str, str]
    """What it needs to be understood at all."""
    body: Any


def everything(kinds: Ids) -> Iterator[Operation]:
    """Give every operation of the document, with its places for ids of these kinds."""
    whole = document()
    for path, method, described in operations(whole):
        name = described["operationId"]
        parameters = [each for each in described.get("parameters", ()) if each["in"] in {"path", "query"}]
        spots = [Spot(each["in"], each["name"], each["name"]) for each in parameters if each["name"] in kinds]
        content = described.get("requestBody", {}).get("content", {})
        body = None
        if "application/json" in content:
            schema = content["application/json"]["schema"]
            body = copy.deepcopy(EXAMPLES.get(name)) or _example(whole, schema)
            spots += [Spot("body", way, kind) for way, kind in _ways(whole, schema, path) if kind in kinds]
        query = {
            each["name"]: str(_example(whole, each["schema"]))
            for each in parameters
            if each["in"] == "query" and each.get("required") and each["name"] not in kinds
        }
        if name in {"getTopList", "exportTopList"}:
            query["by"] = "token"
        yield Operation(name, method.upper(), path.removeprefix("/api"), tuple(spots), query, body)


def _ways(whole: dict[str, Any], schema: dict[str, Any], path: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give every field of a body that could hold an id, and the kind of it; `id` is of what the path lists."""
    schema = _resolved(whole, schema)
    for choice in schema.get("oneOf") or schema.get("anyOf") or ():
        yield from _ways(whole, choice, path, prefix)
    if "items" in schema:
        yield from _ways(whole, schema["items"], path, f"{prefix}0/")
    for name, field in schema.get("properties", {}).items():
        kind = f"{path.split('/')[2].removesuffix('s')}_id" if name == "id" else name
        yield f"{prefix}{name}", kind
        yield from _ways(whole, field, path, f"{prefix}{name}/")


def _resolved(whole: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _example(whole: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Give a value that a schema describes: good enough to get past the door, whatever it means."""
    schema = _resolved(whole, schema)
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        return _example(whole, choices[0])
    given = [*schema.get("examples", ()), *schema.get("enum", ())]
    kind = schema.get("type")
    if given or (kind[0] if isinstance(kind, list) else kind) not in {"object", "array"}:
        return given[0] if given else _simple(schema, kind[0] if isinstance(kind, list) else kind)
    if "items" in schema:
        return [_example(whole, schema["items"])] if schema.get("minItems") else []
    fields = schema.get("properties", {})
    return {name: _example(whole, fields[name]) for name in schema.get("required", ())}


def _simple(schema: dict[str, Any], kind: Any) -> Any:
    texts = {"date-time": "2027-01-01T00:00:00Z"}
    values = {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1), "boolean": True}
    return values.get(kind, texts.get(schema.get("format", ""), "a-long-enough-text"))


async def call(person: Person, operation: Operation, ids: Ids, placed: Ids) -> httpx.Response:
    """Call an operation with these ids in its path, and `placed` ones in its query and body."""
    path = re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1]) or new_id(), operation.path)
    query = {**operation.query, **{name: placed[f"query {name}"] for name in _of("query", placed)}}
    body = copy.deepcopy(operation.body)
    if isinstance(body, dict):
        for way in _of("body", placed):
            _put(body, way.split("/"), placed[f"body {way}"])
    headers = {} if operation.method == "GET" else {"if-match": '"1"', "idempotency-key": new_id()}
    if query:
        path += "?" + urlencode(query)
    return await person._send(operation.method, path, body, headers)


def _put(body: Any, way: list[str], value: str) -> None:
    """Put an id where it belongs, and make what is missing on the way there."""
    name, *rest = way
    if not rest:
        body[name] = int(value) if name == "tenant_id" else value
    elif rest[0] == "0":
        items = body.setdefault(name, [])
        items.extend([] if items else [{}])
        _put(items[0], rest[1:], value)
    else:
        _put(body.setdefault(name, {}), rest, value)


def _of(where: str, placed: Ids) -> list[str]:
    return [key.removeprefix(f"{where} ") for key in placed if key.startswith(f"{where} ")]


def placings(operation: Operation, own: Ids, other: Ids) -> Iterator[tuple[Ids, Ids]]:
    """Give the ways to put another's ids into an operation: into each place alone, and into all at once."""
    for chosen in [*({spot} for spot in operation.spots), set(operation.spots)]:
        path = {
            spot.name: (other if spot in chosen else own)[spot.kind] for spot in operation.spots if spot.where == "path"
        }
        placed = {
            f"{spot.where} {spot.name}": (other if spot in chosen else own)[spot.kind]
            for spot in operation.spots
            if spot.where != "path" and (spot in chosen or spot.kind == "tenant_id")
        }
        yield path, placed


_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def shape(answer: httpx.Response, used: Ids) -> tuple[Any, ...]:
    """Give what two answers are compared by: everything but the ids that were asked for, and the time."""
    text = answer.content.decode("latin-1")
    for value in used.values():
        text = text.replace(value, "<id>")
    headers = {name: value for name, value in answer.headers.items() if name not in {"content-length", "etag"}}
    return answer.status_code, _TIME.sub("<time>", text), tuple(sorted(headers))
