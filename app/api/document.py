"""The OpenAPI document of the REST API: served at /api/openapi.json, and kept as docs/openapi.json.

Litestar says most of it; `_Completed` says what it leaves out, such as the codes of problems and what fields mean.
"""

import ast
import functools
import inspect
import re
import sys
import typing
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.serialization import decode_json, encode_json

from app.api.examples import EXAMPLES
from app.api.guards import ACCESS
from app.api.listing import provide_listing
from app.api.problems import MEDIA_TYPE, PROBLEMS, Problem
from app.api.routes import PATH, ROUTES
from app.version import VERSION

_GENERIC: Final = re.compile(r"(Listing|HistoryItem|History|Bulk)_[a-z_.]+\.(\w+)_")
_GENERICS: Final = ("Listing", "HistoryItem", "History", "Bulk")
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_REQUIRED_HEADERS: Final = {"If-Match", "Idempotency-Key"}
"""They are declared as optional so that leaving them out has an answer that says what to do."""
_BODY_STATUSES: Final = {"413", "415"}
_DONE: Final = {
    "200": "Done.",
    "201": "Made.",
    "202": "Taken; it tells nothing.",
    "204": "Done; there is nothing to say.",
}
_FOLDERS: Final = ("app.", "domain.", "adapters.")


def openapi_config() -> OpenAPIConfig:
    """Describe the API, for the application that mounts its router; the document is at /api/openapi.json."""
    return OpenAPIConfig(
        title="Tallygate",
        version=VERSION,
        description="Operate Tallygate: tenants, prices, channels, credit. Amounts are decimal text, times ISO 8601.",
        path=f"{PATH}/openapi.json",
        render_plugins=[_Document()],
        tags=[Tag(name=tag) for tag in ROUTES],
        components=Components(
            security_schemes={
                "personal_token": SecurityScheme(type="http", scheme="bearer", bearer_format="tgp_..."),
                "session": SecurityScheme(type="apiKey", security_scheme_in="cookie", name="__Host-tallygate"),
            }
        ),
        security=[{"personal_token": []}, {"session": []}],
        use_handler_docstrings=False,
    )


class _Document(JsonRenderPlugin):
    """The document as JSON; its page is `app.api.docs_page`, which loads nothing from a foreign host."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def has_path(self, path: str) -> bool:
        # Says that the document has its place, so that Litestar adds none of its own.
        return path in {"/", "/openapi.json"}

    def render(self, _request: Request[Any, Any, Any], _openapi_schema: dict[str, Any]) -> bytes:
        return document_bytes()


@functools.cache
def document() -> dict[str, Any]:
    """Give the document, the same for every server: it names no host and needs no database."""
    routers = [Router(path="/", route_handlers=list(handlers), tags=[tag]) for tag, handlers in ROUTES.items()]
    # None is called to be described; two functions, for a dependency has one name.
    dependencies = {
        "api": Provide(lambda: None, sync_to_thread=False),
        "call": Provide(lambda: None, sync_to_thread=False),
        "listing": Provide(provide_listing, sync_to_thread=False),
    }
    described = Litestar(
        [Router(path=PATH, route_handlers=routers, dependencies=dependencies)],
        openapi_config=openapi_config(),
        logging_config=None,
    )
    # `Listing[TokenView]` comes out with its module's path in its name: make it `TokenViewListing`.
    text = _GENERIC.sub(r"\2\1", encode_json(described.openapi_schema.to_schema()).decode())
    whole: dict[str, Any] = _corrected(decode_json(text))
    _complete_operations(whole)
    _complete_schemas(whole["components"]["schemas"])
    return whole


@functools.cache
def document_bytes() -> bytes:
    """Give the document as it is served."""
    return msgspec.json.encode(document(), order="sorted")


def document_text() -> str:
    """Give the document as docs/openapi.json keeps it: sorted, and without the version, which says nothing new."""
    kept = {**document(), "info": {**document()["info"], "version": "0"}}
    return msgspec.json.format(msgspec.json.encode(kept, order="sorted"), indent=1).decode() + "\n"


def operations(whole: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give each operation with its path and method."""
    for path, methods in whole["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]


def _corrected(part: Any) -> Any:
    """Give a part of the document without what Litestar says in a roundabout way, or only nearly right."""
    if isinstance(part, list):
        return [_corrected(each) for each in part]
    if isinstance(part, float) and part.is_integer():
        return int(part)
    if not isinstance(part, dict):
        return part
    fields = {name: _corrected(each) for name, each in part.items()}
    choices = fields.get("oneOf")
    if isinstance(choices, list):
        # `tuple[X, ...]` comes out as X or anything; a field that may be left out as one of one.
        choices = [each for each in choices if each != {}]
        fields["oneOf"] = choices
        if len(choices) == 1:
            del fields["oneOf"]
            return choices[0] | fields
        nullable = [each for each in choices if each != {"type": "null"}]
        if len(nullable) == 1 and len(choices) > 1 and isinstance(nullable[0].get("type"), str):
            del fields["oneOf"]
            kinds = [nullable[0]["type"], "null"]
            more = {"enum": [*nullable[0]["enum"], None]} if "enum" in nullable[0] else {}
            return nullable[0] | fields | {"type": kinds} | more
    return fields


def _complete_operations(whole: dict[str, Any]) -> None:
    public = {handler.operation_id for handler in _handlers() if handler.opt[ACCESS].permission is None}
    for _, method, operation in operations(whole):
        operation.pop("deprecated")
        if operation["operationId"] in public:
            operation["security"] = []
        for parameter in operation.get("parameters", ()):
            _complete_parameter(parameter)
        answers = operation["responses"]
        for status in [status for status in answers if method == "get" and status in _BODY_STATUSES]:
            del answers[status]
        for status, answer in answers.items():
            if MEDIA_TYPE in answer.get("content", {}):
                answers[status] = {"$ref": f"#/components/responses/Problem{status}"}
            else:
                answer["description"] = _DONE.get(status, answer["description"])
                _set_headers(whole, answer)
        example = EXAMPLES.get(operation["operationId"])
        if example is not None:
            operation["requestBody"]["content"]["application/json"]["example"] = example
    used = {s for _, _, operation in operations(whole) for s in operation["responses"] if s >= "400"}
    whole["components"]["responses"] = {f"Problem{status}": _problem(int(status)) for status in sorted(used)}


def _complete_parameter(parameter: dict[str, Any]) -> None:
    # What Litestar says of every parameter, though it is what goes without saying.
    for name in ("deprecated", "allowEmptyValue", "allowReserved"):
        parameter.pop(name, None)
    parameter["schema"].pop("description", None)
    if parameter["name"] in _REQUIRED_HEADERS:
        parameter["required"] = True
        parameter["schema"]["type"] = "string"


def _set_headers(whole: dict[str, Any], answer: dict[str, Any]) -> None:
    reference = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    shown = whole["components"]["schemas"].get(reference.rpartition("/")[2], {})
    answer.pop("headers", None)
    if {"version", "archived"} <= shown.get("properties", {}).keys():
        tag = {"schema": {"type": "string"}, "description": "The version, to be sent as If-Match."}
        answer["headers"] = {"ETag": tag}


def _problem(status: int) -> dict[str, Any]:
    codes = sorted(code for code, entry in PROBLEMS.items() if entry.status == status)
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {"properties": {"code": {"enum": codes}, "status": {"const": status}}},
        ]
    }
    return {
        "description": " ".join(f"`{code}`: {PROBLEMS[code].meaning}" for code in codes),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }


# What schemas and their fields mean, from the docstrings of the code.


def _complete_schemas(schemas: dict[str, Any]) -> None:
    schemas["ProblemCode"] = {
        "type": "string",
        "enum": sorted(PROBLEMS),
        "description": "Stable: programs branch on it. See docs/errors.md.",
    }
    classes = _structs()
    for name, schema in schemas.items():
        schema.pop("title", None)
        if schema.get("required") == []:
            del schema["required"]
        generic = next((each for each in _GENERICS if name.endswith(each) and name not in classes), name)
        class_ = classes.get(generic)
        if class_ is None:
            continue
        schema["description"] = _flat(inspect.getdoc(class_) or "")
        meanings = _meanings(class_)
        for field, shown in schema.get("properties", {}).items():
            if field in meanings and "description" not in shown:
                shown["description"] = meanings[field]
        config = class_.__struct_config__
        if config.forbid_unknown_fields:
            schema["additionalProperties"] = False
    schemas["Problem"]["properties"]["findings"]["items"] = {"$ref": "#/components/schemas/FindingView"}
    schemas["ItemProblem"]["properties"]["code"] = {"$ref": "#/components/schemas/ProblemCode"}
    schemas["Problem"]["properties"]["code"] = {"$ref": "#/components/schemas/ProblemCode"}


def _structs() -> dict[str, type[Any]]:
    """Give the structs that bodies and answers are made of, by their names."""
    hinted = [typing.get_type_hints(handler.fn) for handler in _handlers()]
    waiting: list[type[Any]] = [Problem]
    waiting += [each for hints in hinted for name in ("data", "return") for each in _named(hints.get(name))]
    found: dict[str, type[Any]] = {}
    while waiting:
        class_ = waiting.pop()
        if found.setdefault(class_.__name__, class_) is class_:
            fields = (each for hint in typing.get_type_hints(class_).values() for each in _named(hint))
            waiting += [each for each in fields if each.__name__ not in found]
    return found


def _handlers() -> Iterator[HTTPRouteHandler]:
    for handlers in ROUTES.values():
        yield from (handler for handler in handlers if isinstance(handler, HTTPRouteHandler))


def _named(hint: Any) -> Iterator[type[Any]]:
    """Give the structs in an annotation."""
    origin = typing.get_origin(hint) or hint
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
        yield origin
    for part in typing.get_args(hint):
        yield from _named(part)


def _meanings(class_: type[Any]) -> dict[str, str]:
    """Give the text below each field of a class and of those that it comes from."""
    meanings: dict[str, str] = {}
    for each in reversed(class_.__mro__):
        if each.__module__.startswith(_FOLDERS):
            meanings |= _module_meanings(each.__module__).get(each.__name__, {})
    return meanings


@functools.cache
def _module_meanings(module: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: dict(_field_texts(node.body)) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def _field_texts(body: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            yield field.target.id, _flat(str(text.value.value))


def _flat(text: str) -> str:
    return " ".join(text.split())
