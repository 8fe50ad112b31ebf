"""Structured output at vendors that have none of their own: asked for in words, and checked before it counts."""

from typing import Any, Final

import msgspec

from domain.relay.chat import ChatRequest, Message, ResponseFormat, Text

_FENCE: Final = "```"


def needs_words(request: ChatRequest, capabilities: frozenset[str]) -> bool:
    """Tell whether the format asked for must be put into words, since the vendor has no parameter for it."""
    shape = request.response_format
    return shape is not None and shape.kind != "text" and shape.kind not in capabilities


def in_words(request: ChatRequest, capabilities: frozenset[str]) -> ChatRequest:
    """Give the request with its format as an instruction; `json_object` is kept as a parameter where that is known."""
    shape = request.response_format
    assert shape is not None
    words = "Answer with one JSON object and nothing else: no explanation, and no code fence around it."
    if shape.schema is not None:
        schema = msgspec.json.encode(shape.schema).decode()
        words += f" The object must be valid against this JSON Schema:\n{schema}"
    instruction = Message("system", (Text(words),))
    kept = ResponseFormat(kind="json_object") if "json_object" in capabilities else None
    leading = sum(1 for _ in _leading_system(request.messages))
    messages = (*request.messages[:leading], instruction, *request.messages[leading:])
    return msgspec.structs.replace(request, messages=messages, response_format=kept)


def _leading_system(messages: tuple[Message, ...]) -> list[Message]:
    leading: list[Message] = []
    for message in messages:
        if message.role != "system":
            break
        leading.append(message)
    return leading


def unfenced(text: str) -> str:
    """Give the text without the code fence that models put around JSON in spite of being told not to."""
    stripped = text.strip()
    if not (stripped.startswith(_FENCE) and stripped.endswith(_FENCE) and "\n" in stripped):
        return text
    return stripped[stripped.index("\n") + 1 : -len(_FENCE)].strip()


def fault_of(text: str, shape: ResponseFormat) -> str:
    """Say why a text is not what was asked for; empty if it is.

    Of a schema this checks what models get wrong: types, required members, enumerations, unknown members where
    they are forbidden, and the same inside arrays and objects, alternatives and references into the schema.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "it is not JSON"
    if shape.kind == "json_object" and not isinstance(value, dict):
        return "it is not a JSON object"
    if shape.schema is None:
        return ""
    return _Checker(shape.schema).fault(value, shape.schema, "$", 0)


_DEPTH_MAX: Final = 64


class _Checker:
    """Checks a value against a schema; what it does not know it lets pass."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root

    def fault(self, value: Any, schema: Any, place: str, depth: int) -> str:
        """Give the first fault, or nothing."""
        if schema is False:
            return f"{place} may not be there"
        if not isinstance(schema, dict) or depth > _DEPTH_MAX:
            return ""
        if isinstance(schema.get("$ref"), str):
            return self.fault(value, self._resolve(schema["$ref"]), place, depth + 1)
        return (
            _type_fault(value, schema, place)
            or self._alternatives(value, schema, place, depth)
            or (self._object(value, schema, place, depth) if isinstance(value, dict) else "")
            or (self._array(value, schema, place, depth) if isinstance(value, list) else "")
        )

    def _resolve(self, reference: str) -> Any:
        found: Any = self._root
        for name in reference.removeprefix("#").strip("/").split("/"):
            if not name:
                continue
            found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found

    def _alternatives(self, value: Any, schema: dict[str, Any], place: str, depth: int) -> str:
        for name in ("anyOf", "oneOf"):
            options = schema.get(name)
            if isinstance(options, list) and options:
                faults = [self.fault(value, option, place, depth + 1) for option in options]
                if all(faults):
                    return faults[0]
        for part in schema.get("allOf") or ():
            fault = self.fault(value, part, place, depth + 1)
            if fault:
                return fault
        return ""

    def _object(self, value: dict[str, Any], schema: dict[str, Any], place: str, depth: int) -> str:
        for name in schema.get("required") or ():
            if name not in value:
                return f"{place}.{name} is missing"
        known = schema.get("properties") or {}
        for name, member in value.items():
            inner = known.get(name, schema.get("additionalProperties", True))
            fault = self.fault(member, inner, f"{place}.{name}", depth + 1)
            if fault:
                return fault
        return ""

    def _array(self, value: list[Any], schema: dict[str, Any], place: str, depth: int) -> str:
        inner = schema.get("items", True)
        for index, item in enumerate(value):
            fault = self.fault(item, inner, f"{place}[{index}]", depth + 1)
            if fault:
                return fault
        return ""


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int,),
}


def _type_fault(value: Any, schema: dict[str, Any], place: str) -> str:
    wanted = schema.get("type")
    names = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    if names and not any(_is_of(value, name) for name in names):
        return f"{place} is not of type {' or '.join(map(str, names))}"
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        return f"{place} is none of the values allowed"
    if "const" in schema and value != schema["const"]:
        return f"{place} is not the value demanded"
    return ""


def _is_of(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name != "boolean":
        return False
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return name not in _TYPES or isinstance(value, _TYPES[name])
