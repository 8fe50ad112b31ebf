"""The console over HTTP: its files, and its page for every path that is one of its own."""

import gzip
from collections.abc import Mapping
from typing import Any, Final

from app.api.problems import error_of
from app.api.public_pages import PublicPages
from app.settings import PROGRAM_PATHS
from app.web.build import Build, BuiltFile
from app.web.page import (
    BASE_HEADERS,
    LOGO,
    NOT_BUILT,
    NOT_BUILT_HEADERS,
    Reader,
    logo_of,
    reader_of,
    render,
)

_YEAR: Final = "public, max-age=31536000, immutable"
_HTML: Final = "text/html; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_COMPRESS_BYTES_MIN: Final = 4096
# A picture that is looked at by itself is no page of this server: no script in it runs, and it loads nothing.
_PICTURE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


class Console:
    """An ASGI application before another: it answers what is not for programs.

    A mistyped call of the API is for programs, too, and so is never answered with a page.
    """

    def __init__(self, app: Any, build: Build | None, public: PublicPages, *, prefix: str = "") -> None:
        """Take the application, what was built, if it was, and the brand; `prefix` is that of the public address."""
        self._app = app
        self._build = build
        self._public = public
        self._base = f"{prefix}/"

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Give the awaitable of the application itself: a coroutine around it would cost every model request."""
        if scope["type"] != "http" or scope["path"].partition("/")[2].partition("/")[0] in PROGRAM_PATHS:
            return self._app(scope, receive, send)
        return self._serve(scope, send)

    async def _serve(self, scope: Any, send: Any) -> None:
        answer = _Answer(scope, send)
        path = scope["path"].strip("/")
        file = self._build.files.get(path) if self._build is not None else None
        # What requests are counted by: with a name for each path they would be as many as visitors think of.
        scope["path_template"] = "/{page}" if file is None else "/assets/{file}" if file.is_immutable else f"/{path}"
        if answer.method not in {"GET", "HEAD"}:
            await answer.text(405, "Only GET and HEAD are answered here.", allow="GET, HEAD")
        elif file is not None:
            await _file(answer, file)
        elif path.startswith(LOGO):
            await self._logo(answer, path)
        elif "." in path:
            # It asks for a file, say of a build before this one.
            await answer.text(404, "There is no such file.")
        elif self._build is None:
            await answer.send(503, _HTML, NOT_BUILT.encode(), NOT_BUILT_HEADERS)
        else:
            await self._page(answer, self._build, path)

    async def _page(self, answer: "_Answer", build: Build, path: str) -> None:
        try:
            site = await self._public.site()
            reader = await self._reader(answer)
        except Exception as error:
            if error_of(error).problem.code != "unavailable":
                raise
            await answer.text(503, "The database cannot be reached. Please try again.", retry_after="1")
            return
        accepted = answer.header("accept-language")
        text, headers = render(build, site, base=self._base, path=path, accept_language=accepted, reader=reader)
        body = text.encode()
        # A home page may be long; what is short is sent faster as it is.
        if len(body) > _COMPRESS_BYTES_MIN and "gzip" in answer.header("accept-encoding"):
            body = gzip.compress(body, compresslevel=4, mtime=0)
            headers["content-encoding"] = "gzip"
        headers["vary"] = "accept-encoding, accept-language, cookie"
        await answer.send(200, _HTML, body, headers)

    async def _reader(self, answer: "_Answer") -> Reader:
        """Ask the API who loads the page, with the cookies that came for it."""
        said: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await self._app(answer.inner("/api/me"), receive, send)
        status = next(each["status"] for each in said if each["type"] == "http.response.start")
        return reader_of(status, b"".join(each.get("body", b"") for each in said))

    async def _logo(self, answer: "_Answer", path: str) -> None:
        logo = logo_of((await self._public.site()).logo)
        if logo is None or logo.path != path:
            await answer.text(404, "There is no such file.")
        else:
            headers = {**BASE_HEADERS, "cache-control": _YEAR, "content-security-policy": _PICTURE_POLICY}
            await answer.send(200, logo.content_type, logo.body, headers)


async def _file(answer: "_Answer", file: BuiltFile) -> None:
    encoding, body = file.choose(answer.header("accept-encoding"))
    headers = {
        **BASE_HEADERS,
        "cache-control": _YEAR if file.is_immutable else "no-cache",
        "etag": file.etag,
        "vary": "accept-encoding",
    }
    known = {tag.strip().removeprefix("W/") for tag in answer.header("if-none-match").split(",")}
    if file.etag in known or "*" in known:
        await answer.send(304, "", b"", headers)
        return
    if encoding != "identity":
        headers["content-encoding"] = encoding
    await answer.send(200, file.content_type, body, headers)


class _Answer:
    """One request, and how it is answered."""

    def __init__(self, scope: Any, send: Any) -> None:
        self._scope = scope
        self.method: str = scope["method"]
        self._headers = scope["headers"]
        self._send = send

    def header(self, name: str) -> str:
        """Give a header of the request."""
        wanted = name.encode()
        return ",".join(value.decode("latin-1") for given, value in self._headers if given == wanted)

    def inner(self, path: str) -> Any:
        """Give a question of the same client to this server itself."""
        return {
            **self._scope,
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "state": {},
        }

    async def text(self, status: int, words: str, **headers: str) -> None:
        """Say something to whoever reads it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.send(status, _TEXT, f"{words}\n".encode(), {**BASE_HEADERS, "cache-control": "no-store", **named})

    async def send(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer; to HEAD without the body, but with its length."""
        sent = {"content-type": content_type, **headers} if content_type else headers
        start = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        if content_type:
            start.append((b"content-length", str(len(body)).encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": start})
        await self._send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})
