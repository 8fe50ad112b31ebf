"""The console as browsers get it, over a small stand-in for what npm builds."""

import base64
import contextlib
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar, Request, Response, Router, asgi, get
from litestar.exceptions import HTTPException

from app.api.problems import handle_unrouted
from app.api.schemas.site import SiteView
from app.web.build import Build, language_of
from app.web.prefix import Prefixed
from app.web.routes import Console

_PAGE = (
    '<!doctype html><html lang="__LANG__"><head><base href="__BASE__"><title>__TITLE__</title><!--__PARTS__-->'
    '<meta name="csp-nonce" content="__NONCE__"><script type="application/json" id="site">__SITE__</script>'
    '<script type="application/json" id="me">__ME__</script>'
    '<script src="boot.js"></script></head><body></body></html>'
)
_MANIFEST = {
    "index.html": {
        "file": "assets/main.js",
        "isEntry": True,
        "imports": ["_kit.js"],
        "dynamicImports": ["src/more.tsx"],
    },
    "_kit.js": {"file": "assets/kit.js"},
    "_forms.js": {"file": "assets/forms.js", "imports": ["_kit.js"]},
    "src/i18n/faces/en/public.ts": {"file": "assets/en.js", "isDynamicEntry": True},
    "src/i18n/faces/en/tenant.ts": {"file": "assets/en-tenant.js", "isDynamicEntry": True},
    "src/i18n/faces/en/admin.ts": {"file": "assets/en-admin.js", "isDynamicEntry": True},
    "src/i18n/faces/zh/public.ts": {"file": "assets/zh.js", "isDynamicEntry": True},
    "src/shell/AdminFrame.tsx": {"file": "assets/admin.js", "isDynamicEntry": True, "imports": ["_kit.js"]},
    "src/shell/TenantFrame.tsx": {"file": "assets/tenant.js", "isDynamicEntry": True},
    "src/shell/PublicFrame.tsx": {"file": "assets/public.js", "isDynamicEntry": True},
    "src/pages/admin/requests/page.tsx": {
        "file": "assets/requests.js",
        "isDynamicEntry": True,
        "imports": ["_forms.js"],
    },
    "src/pages/admin/requests/receipt.tsx": {"file": "assets/receipt.js", "isDynamicEntry": True},
    "src/pages/tenant/home/page.tsx": {"file": "assets/home.js", "isDynamicEntry": True},
    "src/pages/public/signUp/page.tsx": {"file": "assets/sign-up.js", "isDynamicEntry": True},
    "src/pages/public/home/page.tsx": {"file": "assets/front.js", "isDynamicEntry": True},
}
_SCRIPT = b"console.log('x');" * 100
_PNG = b"\x89PNG\r\n\x1a\n and so on"
_SITE = SiteView(
    name="Tallygate",
    logo="",
    color="#1a7f64",
    footer="",
    theme="system",
    home_kind="markdown",
    home_page="",
    home_frame="",
    notice="",
    top_up="",
    links=(),
    currency="USD",
    sign_up_open=False,
    prices_open=True,
    status_open=True,
    announcements=(),
    base_url="",
    version="0",
)


class _Public:
    """The brand, as a test sets it."""

    def __init__(self) -> None:
        self.shown = _SITE
        self.failure: Exception | None = None

    def brand(self, **fields: Any) -> None:
        self.shown = msgspec.structs.replace(_SITE, **fields)

    async def site(self) -> SiteView:
        if self.failure is not None:
            raise self.failure
        return self.shown


@pytest.fixture
def public() -> _Public:
    return _Public()


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(_PAGE)
    (tmp_path / "build.json").write_text("{}")
    (tmp_path / "manifest.json").write_text(json.dumps(_MANIFEST))
    (tmp_path / "boot.js").write_text("boot")
    (tmp_path / "assets" / "main-abc.js").write_bytes(_SCRIPT)
    (tmp_path / "assets" / "main-abc.js.gz").write_bytes(gzip.compress(_SCRIPT))
    (tmp_path / "assets" / "main-abc.js.br").write_bytes(b"brotli")
    (tmp_path / "assets" / "main-abc.js.map").write_bytes(b"a map, which is not served")
    (tmp_path / "assets" / "main-abc.css").write_text("body{}")
    return tmp_path


def _app(build: Build | None, public: Any, prefix: str = "") -> Any:
    @get("/site")
    async def api() -> str:
        return "api"

    @get("/me")
    async def me(request: Request[Any, Any, Any]) -> Response[Any]:
        who = request.cookies.get("who")
        if request.query_params or who is None:
            return Response({"code": "not_authenticated"}, status_code=401)
        if who == "many":
            return Response({"code": "too_many_requests"}, status_code=429)
        return Response({"user": {"login": "</script><b>", "language": who}})

    @asgi("/v1", is_mount=True, copy_scope=False)
    async def model(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 -- Litestar asks for all three
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"{}"})

    @get("/health/live")
    async def live() -> str:
        return "live"

    app = Litestar(
        [model, live, Router("/api", route_handlers=[api, me])],
        exception_handlers={HTTPException: handle_unrouted},
        openapi_config=None,
        logging_config=None,
    )
    console = Console(app, build, public, prefix=prefix)
    return Prefixed(console, prefix) if prefix else console


@contextlib.asynccontextmanager
async def _browser(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        yield client


@pytest.fixture
async def browser(dist: Path, public: _Public) -> AsyncIterator[httpx.AsyncClient]:
    async with _browser(_app(Build.read(dist), public)) as client:
        yield client


def _site_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="site">(.*?)</script>', page, re.DOTALL)
    assert found is not None, page
    return json.loads(found[1])


def _policy_of(answer: httpx.Response) -> dict[str, list[str]]:
    parts = (part.split() for part in answer.headers["content-security-policy"].split(";"))
    return {name: values for name, *values in parts}


# The page.


async def test_the_page_carries_the_brand_the_base_and_a_nonce_of_its_own(
    browser: httpx.AsyncClient, public: _Public
) -> None:
    public.brand(name="Acme & Söhne")

    first, second = await browser.get("/"), await browser.get("/tenants/7/usage?zone=UTC")

    nonces = [re.findall(r'csp-nonce" content="([\w-]{24})"', each.text)[0] for each in (first, second)]
    assert nonces[0] != nonces[1]
    assert f"'nonce-{nonces[0]}'" in _policy_of(first)["style-src"]
    assert '<base href="/">' in first.text
    assert "<title>Acme &amp; Söhne</title>" in first.text
    assert _site_of(second.text)["name"] == "Acme & Söhne"
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["content-type"] == "text/html; charset=utf-8"


async def test_no_text_of_the_operator_leaves_its_place(browser: httpx.AsyncClient, public: _Public) -> None:
    evil = "</script><script>alert(1)</script><!--<script>\u2028__NONCE__ __SITE__"
    public.brand(name=evil, footer=evil, home_page=evil)

    page = (await browser.get("/")).text

    assert page.count("<script") == 3
    assert page.count("</script>") == 3
    assert "<!--" not in page
    site = _site_of(page)
    assert (site["name"], site["footer"], site["home_page"]) == (evil, evil, evil)


async def test_the_policy_names_this_server_and_what_the_operator_chose_and_nothing_else(
    browser: httpx.AsyncClient, public: _Public
) -> None:
    plain = _policy_of(await browser.get("/"))
    public.brand(logo="https://cdn.acme.example/logo.png?v=1", home_frame="https://www.acme.example:8443/home")
    named = _policy_of(await browser.get("/"))
    public.brand(home_kind="frame", home_frame="https://www.acme.example:8443/home")
    framed = _policy_of(await browser.get("/"))

    assert plain["default-src"] == plain["script-src"] == plain["connect-src"] == ["'self'"]
    assert plain["img-src"] == ["'self'", "data:"]
    assert plain["frame-src"] == plain["frame-ancestors"] == plain["object-src"] == ["'none'"]
    assert plain["base-uri"] == plain["form-action"] == ["'self'"]
    assert "unsafe" not in str(plain)
    assert named["img-src"] == ["'self'", "data:", "https://cdn.acme.example"]
    assert named["frame-src"] == ["'none'"]
    assert framed["frame-src"] == ["https://www.acme.example:8443"]


async def test_every_answer_tells_browsers_to_be_careful(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/assets/main-abc.js", "/gone.js", "/boot.js"):
        headers = (await browser.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh", "zh-CN"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("de-DE,de;q=0.9,zh;q=0.5,en;q=0.4", "zh-CN"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("en;q=0.1, ZH-cn;q=0.2", "zh-CN"),
        ("zh;q=0", "en"),
        ("fr", "en"),
        ("zh;q=much", "en"),
        (";;,q=,", "en"),
    ],
)
async def test_the_page_begins_in_the_language_that_is_liked_best(
    browser: httpx.AsyncClient, accepted: str, language: str
) -> None:
    page = await browser.get("/", headers={"accept-language": accepted})

    assert f'<html lang="{language}">' in page.text
    assert page.headers["content-language"] == language == language_of(accepted)


async def test_a_long_page_is_compressed(browser: httpx.AsyncClient, public: _Public) -> None:
    public.brand(home_page="words " * 10_000)

    packed = await browser.get("/")
    plain = await browser.get("/", headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) < 10_000 < len(plain.content)
    assert _site_of(packed.text) == _site_of(plain.text)


def _named(page: str) -> list[str]:
    return re.findall(r'<link rel="modulepreload" crossorigin href="\./assets/([^"]+)\.js">', page)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/admin/requests?range=7d", ["en", "en-tenant", "en-admin", "admin", "requests", "forms"]),
        ("/admin/requests/018f", ["en", "en-tenant", "en-admin", "admin", "receipt"]),
        ("/admin/no-such-page", ["en", "en-tenant", "en-admin", "admin"]),
        ("/t/7", ["en", "en-tenant", "tenant", "home"]),
        ("/t/7/keys", ["en", "en-tenant", "tenant"]),
        ("/sign-up", ["en", "public", "sign-up"]),
        ("/", ["en", "public", "front"]),
    ],
)
async def test_a_page_names_the_scripts_that_it_needs_beside_the_first(
    browser: httpx.AsyncClient, path: str, parts: list[str]
) -> None:
    assert _named((await browser.get(path)).text) == parts


async def test_the_page_comes_with_who_reads_it_in_their_language(browser: httpx.AsyncClient) -> None:
    async def load(who: str) -> tuple[str, str]:
        browser.cookies.set("who", who)
        answer = await browser.get("/?of=nobody", headers={"accept-language": "en"})
        assert "cookie" in answer.headers["vary"]
        found = re.search(r'<script type="application/json" id="me">(.*?)</script>', answer.text, re.DOTALL)
        assert found is not None
        return found[1], answer.headers["content-language"]

    text, language = await load("zh-CN")
    assert (json.loads(text)["user"]["login"], language) == ("</script><b>", "zh-CN")
    assert _named((await browser.get("/")).text)[0] == "zh"
    # Whom the API would not say is asked for again by the page itself.
    assert await load("many") == ("", "en")
    browser.cookies.clear()
    strangers = await browser.get("/")
    assert '<script type="application/json" id="me">null</script>' in strangers.text


async def test_a_database_that_is_away_is_told_and_no_broken_page(browser: httpx.AsyncClient, public: _Public) -> None:
    public.failure = ConnectionRefusedError()

    answer = await browser.get("/")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "<" not in answer.text


# The logo.


async def test_a_logo_given_as_data_is_a_file_of_its_own_that_can_do_nothing(
    browser: httpx.AsyncClient, public: _Public
) -> None:
    public.brand(logo=f"data:image/png;base64,{base64.b64encode(_PNG).decode()}")
    path = _site_of((await browser.get("/")).text)["logo"]

    logo = await browser.get(f"/{path}")

    assert (logo.content, logo.headers["content-type"]) == (_PNG, "image/png")
    assert "immutable" in logo.headers["cache-control"]
    assert logo.headers["content-security-policy"].endswith("; sandbox")
    public.brand(logo="data:image/svg+xml;base64,PHN2Zy8+")
    assert (await browser.get(f"/{path}")).status_code == 404
    newer = _site_of((await browser.get("/")).text)["logo"]
    assert (await browser.get(f"/{newer}")).headers["content-type"] == "image/svg+xml"


# Files.


async def test_files_are_kept_for_a_year_if_their_name_says_what_is_in_them(browser: httpx.AsyncClient) -> None:
    asset, boot = await browser.get("/assets/main-abc.css"), await browser.get("/boot.js")

    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-type"] == "text/css; charset=utf-8"
    assert boot.headers["cache-control"] == "no-cache"
    assert boot.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, br;q=0", "gzip"),
        ("gzip", "gzip"),
        ("*", "br"),
        ("identity", None),
        ("", None),
    ],
)
async def test_the_smallest_accepted_body_is_sent(dist: Path, accepted: str, encoding: str | None) -> None:
    build = Build.read(dist)
    assert build is not None

    chosen, body = build.files["assets/main-abc.js"].choose(accepted)

    assert chosen == (encoding or "identity")
    assert body == {"br": b"brotli", "gzip": gzip.compress(_SCRIPT), "identity": _SCRIPT}[chosen] or chosen == "gzip"


async def test_a_compressed_file_says_so_and_varies(browser: httpx.AsyncClient) -> None:
    packed = await browser.get("/assets/main-abc.js", headers={"accept-encoding": "gzip"})

    assert packed.content == _SCRIPT
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "accept-encoding"


async def test_who_has_a_file_is_told_so(browser: httpx.AsyncClient) -> None:
    tag = (await browser.get("/boot.js")).headers["etag"]

    same = await browser.get("/boot.js", headers={"if-none-match": f'"other", W/{tag}'})
    changed = await browser.get("/boot.js", headers={"if-none-match": '"other"'})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert changed.status_code == 200


@pytest.mark.parametrize("path", ["/", "/boot.js", "/assets/main-abc.js", "/login", "/none.js"])
async def test_head_says_what_get_would_without_the_body(browser: httpx.AsyncClient, path: str) -> None:
    got, headed = await browser.get(path), await browser.head(path)

    assert headed.status_code == got.status_code
    assert headed.content == b""
    assert headed.headers["content-length"] == got.headers["content-length"]
    assert headed.headers["content-type"] == got.headers["content-type"]


async def test_what_is_not_for_browsers_is_not_served(browser: httpx.AsyncClient) -> None:
    private = ["index.html", "build.json", "manifest.json", "assets/main-abc.js.map", "assets/main-abc.js.gz"]
    answers = [await browser.get(f"/{path}") for path in (*private, "../pyproject.toml", "%2e%2e/app/main.py")]

    assert [answer.status_code for answer in answers] == [404] * len(answers)


# Which paths are the console's.


@pytest.mark.parametrize("path", ["/", "/login", "/accept", "/tenants/7/keys", "/apis", "/v1x", "/healthy", "/a/api/b"])
async def test_a_path_of_the_console_is_its_page_also_when_it_is_loaded_anew(
    browser: httpx.AsyncClient, path: str
) -> None:
    answer = await browser.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/sitee", "/api/a/b", "/v1/models", "/v1beta/x", "/health", "/health/x", "/metrics/x"]
)
async def test_a_mistyped_call_is_never_answered_with_a_page(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)

    assert answer.status_code == 404
    assert "html" not in answer.headers["content-type"]


@pytest.mark.parametrize("path", ["/old-chunk.js", "/assets/main-old.js", "/favicon.ico", "/a/b.php", "/.env"])
async def test_a_file_that_is_not_there_is_not_the_page(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)

    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert "html" not in answer.headers["content-type"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_of_the_console_takes_anything_but_reading(browser: httpx.AsyncClient, method: str) -> None:
    answer = await browser.request(method, "/login")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_a_server_without_a_built_console_says_so_and_how_to_build_it(tmp_path: Path, public: _Public) -> None:
    assert Build.read(tmp_path / "nothing") is None
    async with _browser(_app(None, public)) as browser:
        page, file, api = await browser.get("/"), await browser.get("/boot.js"), await browser.get("/api/site")

    assert page.status_code == 503
    assert "make run" in page.text
    assert (file.status_code, api.status_code) == (404, 200)


# Below a path.


async def test_a_prefix_works_behind_a_proxy_that_strips_it_and_one_that_keeps_it(dist: Path, public: _Public) -> None:
    async with _browser(_app(Build.read(dist), public, "/llm")) as browser:
        for path in ("", "/llm"):
            page = await browser.get(f"{path}/tenants/7")
            assert '<base href="/llm/">' in page.text
            assert (await browser.get(f"{path}/boot.js")).text == "boot"
            assert (await browser.get(f"{path}/api/site")).text == "api"
            assert (await browser.get(f"{path}/api/sitee")).status_code == 404
            assert (await browser.get(f"{path}/v1/none")).headers["content-type"] == "application/json"
            assert (await browser.get(f"{path}/health/live")).text == "live"
        assert (await browser.get("/llm")).status_code == 200
        assert '<base href="/llm/">' in (await browser.get("/llmish")).text
