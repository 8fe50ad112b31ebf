"""JSON schemas cut to what vendors take: a keyword that one refuses is told to the model in words instead."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from domain.relay.call import InvalidRequestError

DEPTH_MAX: Final = 64
"""The deepest schema that is read: deeper ones refer to themselves, or are an attack."""

PARTS_MAX: Final = 50_000
"""The most parts of a schema whose references are resolved: more come only from references to references."""

_REFUSED_BY_ANTHROPIC: Final = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "minContains",
        "maxContains",
    }
)
_OPENAPI: Final = frozenset(
    {
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "default",
        "items",
        "minItems",
        "maxItems",
        "enum",
        "properties",
        "propertyOrdering",
        "required",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
    }
)
_MAPS: Final = frozenset({"properties", "$defs", "definitions", "patternProperties"})
"""Keywords whose members are names of the schema's author, not keywords."""


def _walk(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]], depth: int = 0) -> Any:
    """Give a schema with every object schema in it changed, inner ones first."""
    if depth > DEPTH_MAX:
        raise _endless()
    if isinstance(schema, list):
        return [_walk(each, change, depth + 1) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {
        name: (
            {key: _walk(each, change, depth + 1) for key, each in value.items()}
            if name in _MAPS and isinstance(value, dict)
            else value
            if name in ("enum", "const", "default", "example", "examples", "required")
            else _walk(value, change, depth + 1)
        )
        for name, value in schema.items()
    }
    return change(inner)


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a schema as Anthropic takes it: closed objects, and ranges as a note in the description."""
    changed: dict[str, Any] = _walk(dict(schema), _strict)
    return changed


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    notes = {name: value for name, value in schema.items() if name in _REFUSED_BY_ANTHROPIC}
    if schema.get("minItems") not in (None, 0, 1):
        notes["minItems"] = schema["minItems"]
    kept = {name: value for name, value in schema.items() if name not in notes}
    if kept.get("type") == "object" or "properties" in kept:
        kept.setdefault("type", "object")
        kept["additionalProperties"] = False
    if notes:
        note = "{" + ", ".join(f"{name}: {value}" for name, value in notes.items()) + "}"
        said = kept.get("description")
        kept["description"] = f"{said}\n\n{note}" if isinstance(said, str) and said else note
    return kept


def openapi_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a schema in the subset of OpenAPI that Google's older interfaces take: no references, null as a mark."""
    resolved = _Resolver(_definitions(schema)).resolve(dict(schema))
    changed: dict[str, Any] = _walk(resolved, _openapi)
    return changed


def _definitions(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("$defs", "definitions"):
        definitions = schema.get(name)
        if isinstance(definitions, dict):
            found |= {f"#/{name}/{key}": value for key, value in definitions.items()}
    return found


class _Resolver:
    """Puts definitions in the place of their references, so many that none can multiply without end."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._left = PARTS_MAX

    def resolve(self, schema: Any, depth: int = 0) -> Any:
        self._left -= 1
        if depth > DEPTH_MAX or self._left < 0:
            raise _endless()
        if isinstance(schema, list):
            return [self.resolve(each, depth + 1) for each in schema]
        if not isinstance(schema, dict):
            return schema
        reference = schema.get("$ref")
        if isinstance(reference, str):
            found = self._definitions.get(reference)
            if not isinstance(found, dict):
                raise InvalidRequestError(
                    "A JSON schema refers to something that is not in its own '$defs'.", reason="invalid_value"
                )
            beside = {name: value for name, value in schema.items() if name != "$ref"}
            return self.resolve({**found, **beside}, depth + 1)
        return {
            name: self.resolve(value, depth + 1)
            for name, value in schema.items()
            if name not in ("$defs", "definitions")
        }


def _endless() -> InvalidRequestError:
    return InvalidRequestError("A JSON schema is nested too deeply, or refers to itself.", reason="invalid_value")


def _openapi(schema: dict[str, Any]) -> dict[str, Any]:
    types = schema.get("type")
    if isinstance(types, list):
        named = [each for each in types if each != "null"]
        schema = {**schema, "type": named[0]} if len(named) == 1 else _any_of_types(schema, named)
        if len(named) != len(types):
            schema["nullable"] = True
    if "oneOf" in schema and "anyOf" not in schema:
        schema = {**schema, "anyOf": schema["oneOf"]}
    if "const" in schema and "enum" not in schema:
        schema = {**schema, "enum": [schema["const"]]}
    options = schema.get("anyOf")
    if isinstance(options, list):
        schema = _without_null(schema, options)
    return {name: value for name, value in schema.items() if name in _OPENAPI}


def _any_of_types(schema: dict[str, Any], types: list[Any]) -> dict[str, Any]:
    rest = {name: value for name, value in schema.items() if name != "type"}
    return {**rest, "anyOf": [{"type": each} for each in types]} if types else rest


def _without_null(schema: dict[str, Any], options: list[Any]) -> dict[str, Any]:
    """Say of a choice between something and null that it may be null."""
    some = [each for each in options if not (isinstance(each, dict) and each.get("type") == "null")]
    if len(some) == len(options):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    if len(some) == 1 and isinstance(some[0], dict):
        return {**some[0], **rest, "nullable": True}
    return {**rest, "anyOf": some, "nullable": True}


_SNAKE: Final = re.compile(r"_([a-z0-9])")


def json_schema(schema: Any, depth: int = 0) -> Any:
    """Give Google's OpenAPI schema as JSON schema: names in camel case, types in lower case, null as a type."""
    if depth > DEPTH_MAX:
        raise _endless()
    if isinstance(schema, list):
        return [json_schema(each, depth + 1) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed: dict[str, Any] = {}
    for name, value in schema.items():
        plain = _SNAKE.sub(lambda found: found[1].upper(), name)
        if plain == "properties" and isinstance(value, dict):
            changed[plain] = {key: json_schema(each, depth + 1) for key, each in value.items()}
        elif plain == "type" and isinstance(value, str):
            changed[plain] = value.lower()
        elif plain in ("items", "anyOf"):
            changed[plain] = json_schema(value, depth + 1)
        elif plain not in ("nullable", "propertyOrdering"):
            changed[plain] = value
    if schema.get("nullable") is True and isinstance(changed.get("type"), str):
        changed["type"] = [changed["type"], "null"]
    return changed
