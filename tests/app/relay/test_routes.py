"""Which contract and which kind of call each path is served as, and in whose words what is none of them is refused."""

from typing import Any, cast

import msgspec
import pytest
from litestar import Litestar

from app.relay.routes import model_routes
from app.relay.wire import Exchange


class Served:
    """In place of the relay, the lists of models and the counts of tokens: says what it was asked to serve."""

    class clock:  # noqa: N801 -- an attribute of the relay
        @staticmethod
        def new_id() -> str:
            return "00000000-0000-7000-8000-000000000000"

    async def handle(self, exchange: Exchange, surface: str, *, model: str = "", stream: bool = False) -> None:
        told = [exchange.surface.dialect, surface, model, stream]
        await exchange.answer(200, msgspec.json.encode(told))

    async def get(self, exchange: Exchange, query: str) -> None:
        del query
        await exchange.answer(200, msgspec.json.encode(["list", exchange.surface.dialect]))

    async def serve(self, exchange: Exchange, *, model: str = "") -> None:
        await exchange.answer(200, msgspec.json.encode([exchange.surface.dialect, "count_tokens", model]))


async def ask(method: str, path: str) -> tuple[int, Any]:
    """Give status and body of what is answered at a path."""
    served: Any = Served()
    app = Litestar(model_routes(served, served, served))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    bare, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "headers": [],
        "client": ("127.0.0.1", 1),
        "app": app,
        "state": {},
    }
    await app(cast("Any", scope), cast("Any", receive), cast("Any", send))
    return sent[0]["status"], msgspec.json.decode(sent[1]["body"])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/chat/completions", ["openai", "chat", "", False]),
        ("/v1/completions", ["openai", "completions", "", False]),
        ("/v1/embeddings", ["openai", "embeddings", "", False]),
        ("/v1/images/generations", ["openai", "images", "", False]),
        ("/v1/images/edits", ["openai", "image_edits", "", False]),
        ("/v1/audio/speech", ["openai", "speech", "", False]),
        ("/v1/audio/transcriptions", ["openai", "transcriptions", "", False]),
        ("/v1/audio/translations", ["openai", "translations", "", False]),
        ("/v1/moderations", ["openai", "moderations", "", False]),
        ("/v1/rerank", ["openai", "rerank", "", False]),
        ("/v1/responses", ["responses", "chat", "", False]),
        ("/v1/messages", ["anthropic", "chat", "", False]),
        ("/v1/messages/count_tokens", ["anthropic", "count_tokens", ""]),
        *(
            (f"{root}/models/m:{method}", told)
            for root in ("/v1beta", "/v1")
            for method, told in (
                ("generateContent", ["gemini", "chat", "m", False]),
                ("streamGenerateContent?alt=sse", ["gemini", "chat", "m", True]),
                ("embedContent", ["gemini", "embeddings", "m", False]),
                ("batchEmbedContents", ["gemini", "embeddings", "m", False]),
                ("countTokens", ["gemini", "count_tokens", "m"]),
            )
        ),
    ],
)
async def test_each_path_is_served_as_what_its_contract_says(path: str, told: list[Any]) -> None:
    assert await ask("POST", path) == (200, told)


@pytest.mark.parametrize("path", ["/v1beta/models/m:nothing", "/v1beta", "/v1beta/else"])
async def test_what_gemini_has_not_is_refused_in_its_words(path: str) -> None:
    status, body = await ask("POST", path)

    assert (status, body["error"]["code"], body["error"]["status"]) == (404, 404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/v1/else", "/v1betamax/models/m:generateContent"])
async def test_what_nobody_has_is_refused_in_openais_words(path: str) -> None:
    status, body = await ask("POST", path)

    assert (status, body["error"]["code"]) == (404, "unknown_url")


async def test_models_are_listed_for_either_contract() -> None:
    assert await ask("GET", "/v1/models") == (200, ["list", "openai"])
    assert await ask("GET", "/v1beta/models") == (200, ["list", "gemini"])
