"""Vertex AI: Gemini, Imagen and Claude behind Google Cloud's accounts.

Bodies are those of the models' own interfaces; addresses, credentials and a few members differ. Source: google-genai
3.4, google-auth 2.62 and Anthropic's SDK 2.12.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import jwt
import msgspec

from adapters.wire.base import BaseDialect
from adapters.wire.claude_models import claude_model
from adapters.wire.gemini import gemini_body, reads_address, restrained
from adapters.wire.gemini_answers import GeminiReader, decode_generated
from adapters.wire.google_errors import google_failure, unwrapped
from adapters.wire.google_tasks import (
    counted,
    decode_embeddings,
    decode_images,
    decode_speech,
    image_chat_body,
    imagen_body,
    speech_body,
)
from adapters.wire.kit import HEADERS, bearer, given, input_report, member, post, refused, texts_of, words
from adapters.wire.lenient import loads
from adapters.wire.messages import messages_body, output_limit
from adapters.wire.messages_answers import MessagesStream, decode_message, messages_error
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest, Media
from domain.relay.delta import Delta
from domain.relay.dialect import (
    AccessToken,
    CanonicalRequest,
    Frame,
    StreamDecoder,
    Target,
    UnsupportedParameterError,
)
from domain.relay.ports import VendorRequest
from domain.relay.tasks import EmbeddingsRequest, ImagesRequest, SpeechRequest
from domain.relay.vendor_errors import VendorError

CLAUDE_VERSION: Final = "vertex-2023-10-16"
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_ADDRESS: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, no secret
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOCATION: Final = "global"
"""Where nothing is said."""

_PLACED: Final = "https://{location}-aiplatform.googleapis.com"
_VENDORS: Final = re.compile(r"(?:https://(?:[a-z0-9{}-]+-)?aiplatform(?:\.(?:us|eu)\.rep)?\.googleapis\.com)?")
_HOSTS: Final = {
    "global": "https://aiplatform.googleapis.com",
    "us": "https://aiplatform.us.rep.googleapis.com",
    "eu": "https://aiplatform.eu.rep.googleapis.com",
}
_TOKEN_SECONDS: Final = 3_600


class _Account(msgspec.Struct):
    """What of a service account's JSON is used."""

    client_email: str
    private_key: str
    private_key_id: str = ""
    project_id: str = ""
    token_uri: str = TOKEN_ADDRESS


class VertexDialect(BaseDialect):
    """Vertex AI's publishers Google and Anthropic."""

    surfaces: frozenset[Surface] = frozenset({"chat", "count_tokens", "embeddings", "images", "image_edits", "speech"})

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of a chat, or of its count of tokens, to the model's publisher."""
        if _is_claude(target.model):
            return _ask_claude(call, request, target)
        if call.dialect == "gemini" and call.surface == "chat":
            # The client speaks the vendor's own contract: nothing of its body is lost on the way.
            body: Any = msgspec.Raw(restrained(call.body, target.output_tokens_max, call.output_tokens_max))
        else:
            body = gemini_body(call, request, target)
        if call.surface == "count_tokens":
            kept = {name: body[name] for name in ("contents", "systemInstruction", "tools") if name in body}
            return _post(target, "google", "countTokens", kept)
        return _post(target, "google", "streamGenerateContent?alt=sse" if call.stream else "generateContent", body)

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the body for vectors, one instance for each text."""
        if not target.drops_unsupported:
            for name in request.others:
                raise UnsupportedParameterError(name)
        asked = given(task_type=request.task, title=request.title)
        body = given(
            instances=[{"content": text, **asked} for text in texts_of(request)],
            parameters=given(outputDimensionality=request.dimensions),
        )
        return _post(target, "google", "predict", body)

    def task(self, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Give the body for images and speech."""
        match request:
            case ImagesRequest() if "imagen" in target.model:
                return _post(target, "google", "predict", imagen_body(request, target))
            case ImagesRequest():
                return _post(target, "google", "generateContent", image_chat_body(request, target))
            case SpeechRequest():
                return _post(target, "google", "generateContent", speech_body(request, target))
            case _:
                raise refused(type(request).__name__)

    def must_fetch(self, media: Media) -> bool:
        """Tell whether an address in a request must be replaced by its bytes before it is encoded."""
        return bool(media.url) and not reads_address(media)

    def decoder(self, call: Call) -> StreamDecoder:
        """Read events of either publisher."""
        return _EitherStream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer of either publisher."""
        match call.surface:
            case "embeddings":
                return decode_embeddings(body)
            case "images" | "image_edits":
                return decode_images(body)
            case "speech":
                return decode_speech(body, call)
            case "count_tokens":
                report = input_report(member(loads(body), "input_tokens"))
                return counted(body) if report is None or report.usage is None else Delta(report=report)
            case _:
                return decode_message(body) if _is_messages(loads(body)) else decode_generated(body)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read a failed answer of either publisher, or of the exchange of the credential."""
        content = unwrapped(loads(body))
        if member(content, "type") == "error":
            return messages_error(content, status=status, headers=headers, secrets=secrets)
        if words(member(content, "error")) and "error_description" in content:
            return VendorError("auth", status=status, vendor_code=words(content["error"])[:64])
        return google_failure(status, headers, body, secrets=secrets)

    # ---- The credential

    def token_request(self, target: Target) -> VendorRequest | None:
        """Give the exchange of a service account's signature for a token; None for an API key of express mode."""
        if not _is_account(target.key):
            return None
        account = _account(target.key)
        form = urlencode({"grant_type": GRANT, "assertion": assertion(account, target.now)})
        headers = {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
        return VendorRequest(url=account.token_uri, headers=headers, body=form.encode())

    def decode_token(self, body: bytes) -> AccessToken:
        """Read the token; VendorError of kind auth if there is none."""
        answer = loads(body)
        token, lifetime = words(member(answer, "access_token")), member(answer, "expires_in")
        if not token:
            code = words(member(answer, "error"))[:64] or "no_access_token"
            raise VendorError("auth", vendor_code=code)
        is_known = isinstance(lifetime, int | float) and not isinstance(lifetime, bool)
        return AccessToken(token, min(max(float(lifetime), 0.0), _TOKEN_SECONDS) if is_known else _TOKEN_SECONDS)

    # ---- The channel itself

    def models_request(self, target: Target) -> VendorRequest | None:
        """Give nothing: the list of a publisher's models does not say which of them a project may use."""
        return None

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read nothing, for nothing is asked."""
        return ()

    def balance_request(self, target: Target) -> VendorRequest | None:
        """Give nothing: the vendor tells nobody's balance."""
        return None

    def decode_balance(self, body: bytes) -> Mapping[str, Any]:
        """Read nothing, for nothing is asked."""
        return {}


def assertion(account: _Account, now: dt.datetime) -> str:
    """Give a service account's signed claim; VendorError of kind auth if its key is none."""
    seconds = int(now.timestamp())
    claims = {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": seconds,
        "exp": seconds + _TOKEN_SECONDS,
    }
    headers = {"kid": account.private_key_id} if account.private_key_id else None
    try:
        return jwt.encode(claims, account.private_key, algorithm="RS256", headers=headers)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise VendorError("auth", vendor_code="malformed_key") from None


def _is_account(key: str) -> bool:
    return key.lstrip().startswith("{")


def _account(key: str) -> _Account:
    try:
        return msgspec.json.decode(key.encode("utf-8", "replace"), type=_Account)
    except msgspec.MsgspecError:
        raise VendorError("auth", vendor_code="malformed_key") from None


# ---- Addresses


def _post(target: Target, publisher: str, verb: str, body: Any, **headers: str) -> VendorRequest:
    return post(_address(target, publisher, verb), body, _credential(target) | headers)


def _credential(target: Target) -> dict[str, str]:
    return bearer(target.access_token) if _is_account(target.key) else {"x-goog-api-key": target.key}


def _address(target: Target, publisher: str, verb: str, model: str = "") -> str:
    version = target.options.get("api_version") or "v1"
    path = f"publishers/{publisher}/models/{quote(model or target.model, safe='@')}:{verb}"
    if not _is_account(target.key):
        # Express mode: the key says whose project it is.
        return f"{_host(target, LOCATION)}/{version}/{path}"
    project = target.options.get("project") or _account(target.key).project_id
    if not project:
        raise VendorError("auth", vendor_code="no_project")
    location = target.options.get("location") or LOCATION
    place = f"projects/{quote(project, safe='')}/locations/{quote(location, safe='')}"
    return f"{_host(target, location)}/{version}/{place}/{path}"


def _host(target: Target, location: str) -> str:
    """Give the channel's address; the vendor's own depends on the location."""
    if not _VENDORS.fullmatch(target.base_url):
        return target.base_url
    return _HOSTS.get(location) or _PLACED.replace("{location}", location)


# ---- Claude


def _is_claude(model: str) -> bool:
    return "claude" in model.lower()


def _ask_claude(call: Call, request: ChatRequest, target: Target) -> VendorRequest:
    if not _is_account(target.key):
        raise InvalidRequestError("This model takes a channel with a service account.", param="model")
    body = _claude_body(call, request, target)
    headers = _betas(call, target)
    if call.surface == "count_tokens":
        kept = ("system", "messages", "tools", "tool_choice", "thinking")
        counted_body = {"model": target.model} | {name: body[name] for name in kept if name in body}
        address = _address(target, "anthropic", "rawPredict", "count-tokens")
        return post(address, counted_body | {"anthropic_version": _version(target)}, _credential(target) | headers)
    verb = "streamRawPredict" if call.stream else "rawPredict"
    return post(_address(target, "anthropic", verb), body, _credential(target) | headers)


def _claude_body(call: Call, request: ChatRequest, target: Target) -> dict[str, Any]:
    """Give the body of Messages without the model, which the address names."""
    if call.dialect == "anthropic" and any("[" in name for name in request.others):
        # The client speaks the model's own contract, and has said in it what has no canonical place.
        body: dict[str, Any] = msgspec.json.decode(call.body, type=dict[str, Any])
        if call.surface == "chat":
            body["max_tokens"] = output_limit(call, target, claude_model(target.model))
    else:
        body = messages_body(call, request, target, takes_addresses=False)
    body.pop("model", None)
    return {"anthropic_version": _version(target), **body}


def _version(target: Target) -> str:
    return target.options.get("anthropic_version") or CLAUDE_VERSION


def _betas(call: Call, target: Target) -> dict[str, str]:
    named = (call.headers.get("anthropic-beta", ""), target.options.get("betas", ""))
    asked = ",".join(dict.fromkeys(beta.strip() for each in named for beta in each.split(",") if beta.strip()))
    return {"anthropic-beta": asked} if asked else {}


# ---- Answers


def _is_messages(answer: object) -> bool:
    """Tell Claude's answers, whole or in parts, from Gemini's: only the former name their own type."""
    return isinstance(member(unwrapped(answer), "type"), str)


class _EitherStream:
    """Reads a stream of whichever publisher it turns out to be."""

    def __init__(self) -> None:
        self._reader: StreamDecoder | None = None

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event."""
        if self._reader is None:
            if not frame.data:
                return []
            self._reader = MessagesStream() if _is_messages(loads(frame.data)) else GeminiReader()
        return self._reader.feed(frame)

    def finish(self) -> list[Delta]:
        """Say whether the stream has ended as its publisher's do; one without a word was cut off."""
        return (self._reader or GeminiReader()).finish()


DIALECT: Final = VertexDialect()
