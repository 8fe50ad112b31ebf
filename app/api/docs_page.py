"""/api/docs: the OpenAPI document as a page for people. One answer with its own style: no script, no foreign host."""

import base64
import functools
import hashlib
from html import escape
from typing import Any, Final

import msgspec
from litestar import Response, get

from app.api.call import route
from app.api.document import document, operations
from app.version import VERSION

_STYLE: Final = """
:root{color-scheme:light dark;--line:light-dark(#d8dde6,#39404d);--dim:light-dark(#5a6472,#a2adbd);
--back:light-dark(#f6f8fa,#1b2028)}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem}
nav ul{columns:16rem;padding-left:1rem}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0}
summary{cursor:pointer;padding:.4rem .7rem}
details>div{padding:0 .9rem .6rem}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:var(--back);overflow:auto;padding:.6rem}
.method{display:inline-block;font-weight:700;width:4.5rem}
.dim{color:var(--dim)}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid var(--line);padding:.25rem .5rem;text-align:left;vertical-align:top}
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


@get("/docs", include_in_schema=False, **route(None, "getDocs", "The document as a page"))
async def docs_page() -> Response[str]:
    return Response(page(), media_type="text/html", headers=_HEADERS)


@functools.cache
def page() -> str:
    """Give the page: every operation and every schema, each in a fold that a search of the browser opens."""
    whole = document()
    by_tag: dict[str, list[str]] = {tag["name"]: [] for tag in whole["tags"]}
    for path, method, operation in operations(whole):
        by_tag[operation["tags"][0]].append(_operation(whole, path, method, operation))
    sections = [
        f'<section id="{_slug(tag)}"><h2>{escape(tag)}</h2>{"".join(parts)}</section>' for tag, parts in by_tag.items()
    ]
    places = "".join(f'<li><a href="#{_slug(tag)}">{escape(tag)}</a></li>' for tag in (*by_tag, "Schemas"))
    schemas = "".join(_schema(name, each) for name, each in sorted(whole["components"]["schemas"].items()))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tallygate API</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<h1>Tallygate API <small class="dim">{VERSION}</small></h1><p>{escape(whole["info"]["description"])}</p>'
        '<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1). Send a personal access token as '
        "<code>Authorization: Bearer tgp_...</code>.</p>"
        f'<nav aria-label="Sections"><ul>{places}</ul></nav><main>{"".join(sections)}'
        f'<section id="schemas"><h2>Schemas</h2>{schemas}</section></main></body></html>'
    )


def _slug(tag: str) -> str:
    return tag.lower().replace(" ", "-")


def _operation(whole: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = [
        (each["name"], each["in"], _type(each["schema"]), each.get("required", False), each.get("description", ""))
        for each in operation.get("parameters", ())
    ]
    parts = [f'<p class="dim">{escape(operation["operationId"])}{" · open to all" * _is_open(operation)}</p>']
    if parameters:
        rows = (
            f"<tr><td><code>{escape(name)}</code>{' *' * required}</td><td>{place}</td><td>{kind}</td>"
            f"<td>{escape(meaning)}</td></tr>"
            for name, place, kind, required, meaning in parameters
        )
        parts.append(
            "<table><thead><tr><th>parameter</th><th>in</th><th>type</th><th>meaning</th></tr></thead><tbody>"
            f"{''.join(rows)}</tbody></table>"
        )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        parts.append(f"<p>Body: {_type(body['schema'])}</p>")
        if "example" in body:
            example = msgspec.json.format(msgspec.json.encode(body["example"]), indent=2).decode()
            parts.append(f"<pre>{escape(example)}</pre>")
    parts.append(f"<ul>{''.join(_answer(whole, *each) for each in operation['responses'].items())}</ul>")
    head = f'<span class="method">{method.upper()}</span><code>{escape(path)}</code> {escape(operation["summary"])}'
    return f'<details id="{operation["operationId"]}"><summary>{head}</summary><div>{"".join(parts)}</div></details>'


def _is_open(operation: dict[str, Any]) -> bool:
    return operation.get("security") == []


def _answer(whole: dict[str, Any], status: str, answer: dict[str, Any]) -> str:
    if "$ref" in answer:
        named = whole["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        codes = next(iter(named["content"].values()))["schema"]["allOf"][1]["properties"]["code"]["enum"]
        return f"<li>{status} {', '.join(f'<code>{code}</code>' for code in codes)}</li>"
    shown = [
        _type(content.get("schema", {})) if kind == "application/json" else escape(kind)
        for kind, content in answer.get("content", {}).items()
    ]
    return f"<li>{status} {', '.join(shown)}</li>"


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code>{' *' * (field in required)}</td><td>{_type(shown)}</td>"
        f"<td>{escape(shown.get('description', ''))}</td></tr>"
        for field, shown in schema.get("properties", {}).items()
    )
    values = ", ".join(f"<code>{escape(str(each))}</code>" for each in schema.get("enum", ()))
    return (
        f'<details id="schema-{name}"><summary><code>{name}</code></summary><div>'
        f"<p>{escape(schema.get('description', ''))}</p>{values}<table><tbody>{rows}</tbody></table></div></details>"
    )


def _type(schema: dict[str, Any]) -> str:
    """Give a type in words, with links to the schemas that it names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{name}">{name}</a>'
    if "oneOf" in schema:
        return " or ".join(_type(each) for each in schema["oneOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    kinds = schema.get("type", "anything")
    text = " or ".join(escape(str(kind)) for kind in (kinds if isinstance(kinds, list) else [kinds]))
    if "items" in schema:
        text += f" of {_type(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        text += f" of {_type(schema['additionalProperties'])}"
    return text
