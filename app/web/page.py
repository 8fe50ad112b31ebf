"""The page of the console, made for each response: a fresh nonce, the operator's brand, and what browsers may load."""

import base64
import functools
import hashlib
import secrets
from html import escape
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from app.api.schemas.site import SiteView
from app.web.build import Build, language_of

LOGO: Final = "brand/logo-"
"""Below the base: the operator's logo, if it was given as data, under a name that changes with it."""
_ENDINGS: Final = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/svg+xml": ".svg"}
# JSON may have these as escapes everywhere, so no text of the operator can end the element that it is put into.
_IN_SCRIPT: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}

BASE_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Logo(NamedTuple):
    """A logo that is served as a file, so that it is loaded once and not with each page."""

    path: str
    content_type: str
    body: bytes


@functools.lru_cache(maxsize=4)
def logo_of(text: str) -> Logo | None:
    """Give the logo of a site that has it as a data URL."""
    if not text.startswith("data:"):
        return None
    kind, _, data = text.removeprefix("data:").partition(";base64,")
    body = base64.b64decode(data)
    return Logo(f"{LOGO}{hashlib.sha256(body).hexdigest()[:16]}{_ENDINGS[kind]}", kind, body)


class Reader(msgspec.Struct, frozen=True):
    """Who loads a page, as the API answers it: what comes with the page need not be asked for."""

    me: str = ""
    """JSON: an account, `null` for nobody, and nothing where the API would not say."""
    language: str = ""
    """What they have chosen; empty is what their browser asks for."""


class _User(msgspec.Struct, frozen=True):
    language: str = ""


class _Me(msgspec.Struct, frozen=True):
    user: _User


def reader_of(status: int, body: bytes) -> Reader:
    """Read the API's answer to the question who somebody is."""
    match status:
        case 200:
            return Reader(body.decode(), msgspec.json.decode(body, type=_Me).user.language)
        case 401:
            return Reader("null")
        case _:
            return Reader()


def render(
    build: Build, site: SiteView, *, base: str, path: str, accept_language: str, reader: Reader
) -> tuple[str, dict[str, str]]:
    """Give the page and its headers. `base` is the path that the console is reached under, with a slash at its end."""
    nonce = secrets.token_urlsafe(18)
    logo = logo_of(site.logo)
    if logo is not None:
        site = msgspec.structs.replace(site, logo=logo.path)
    values = {
        "BASE": escape(base),
        "LANG": (language := reader.language or language_of(accept_language)),
        "ME": reader.me.translate(_IN_SCRIPT),
        "NONCE": nonce,
        "PARTS": "".join(
            f'<link rel="modulepreload" crossorigin href="./{escape(file)}">' for file in build.parts.of(path, language)
        ),
        "SITE": msgspec.json.encode(site).decode().translate(_IN_SCRIPT),
        "TITLE": escape(site.name),
    }
    headers = {
        **BASE_HEADERS,
        "cache-control": "no-store",
        "content-language": values["LANG"],
        "content-security-policy": policy(site, nonce),
    }
    return build.page(values), headers


def policy(site: SiteView, nonce: str) -> str:
    """Give the content security policy: this server only, but for the picture and the frame that the operator chose."""
    images = " ".join(["'self'", "data:", *_origin(site.logo)])
    frames = " ".join(_origin(site.home_frame) if site.home_kind == "frame" else ()) or "'none'"
    return "; ".join(
        [
            "default-src 'self'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",
            f"img-src {images}",
            "connect-src 'self'",
            f"frame-src {frames}",
            "frame-ancestors 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "object-src 'none'",
        ]
    )


def _origin(address: str) -> list[str]:
    """Give the origin of an https address, as the policy names it."""
    parts = urlsplit(address)
    return [f"https://{parts.netloc}"] if parts.scheme == "https" else []


NOT_BUILT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tallygate: the console is not built</title>
<meta name="viewport" content="width=device-width,initial-scale=1"></head><body>
<h1>The console is not built</h1>
<p>This server works, but its web console was not built when it was installed. The API is served:
<a href="api/docs">its documentation</a>.</p>
<p>In a checkout, stop the server and run <code>make run</code>: it builds the console first, for which it needs to
reach PyPI and the npm registry, and says why if it cannot. A wheel carries the console, unless it was built with
<code>CONSOLE_BUILD=off</code>.</p>
</body></html>
"""
NOT_BUILT_HEADERS: Final = {
    **BASE_HEADERS,
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
