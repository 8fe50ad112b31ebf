"""OpenAI's dialect as a value: one for each vendor that speaks it, made from a profile of its quirks."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import quote

import msgspec

from adapters.dialects.openai.addresses import PATHS, RESPONSES, request_headers, root
from adapters.dialects.openai.answers import (
    decode_chunk,
    decode_response,
    rewrite_chunk,
    rewrite_response,
    usage_chunk,
)
from adapters.dialects.openai.body import chat_members
from adapters.dialects.openai.profile import OPENAI, Profile
from adapters.dialects.openai.quirks import fit_chat, fit_tier
from adapters.dialects.openai.realtime import read_client, read_vendor
from adapters.dialects.openai.requests import encode_chat, encode_embeddings
from adapters.dialects.openai.responses import (
    decode_event,
    decode_response_body,
    encode_response,
    is_response_event,
    rewrite_event,
    rewrite_response_body,
)
from adapters.dialects.openai.results import read_result, rewrite_result
from adapters.dialects.openai.streams import ChunkDecoder, read_answer
from adapters.dialects.openai.tasks import native_task, task_body
from adapters.dialects.openai.vectors import embeddings_members, packed_answer, read_embeddings
from adapters.wire.errors import decode_error
from adapters.wire.lenient import loads
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest
from domain.relay.delta import Delta
from domain.relay.dialect import AccessToken, CanonicalRequest, Frame, Framing, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.realtime import Asked, Heard
from domain.relay.tasks import EmbeddingsRequest
from domain.relay.vendor_errors import VendorError

_SOCKET: Final = re.compile(r"^http(s?)(?=://)")
_FORM: Final = ("openai-beta", "openai-safety-identifier")
_FIELD: Final = re.compile(r"\{(\w+)\}")

_TEXTS: Final[frozenset[Surface]] = frozenset({"chat", "completions", "embeddings"})
SURFACES: Final = _TEXTS


class OpenAIDialect:
    """One vendor of the dialect: a VendorDialect, and a Native for clients of OpenAI's contract."""

    framing: Framing = "sse"
    end_mark = b"data: [DONE]\n\n"

    def __init__(self, profile: Profile = OPENAI, surfaces: frozenset[Surface] = SURFACES) -> None:
        """Take the vendor's quirks, and what it serves."""
        self.profile = profile
        self.surfaces = surfaces

    # ---- Requests

    def encode(self, call: Call, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Write a request of any client's for this vendor."""
        match request:
            case ChatRequest():
                profile = self.profile_of(target)
                members = chat_members(call, request, profile, target)
                fit_chat(members, b"", profile, target)
                if profile.is_reference:
                    fit_tier(members, target)
                return self._post("chat", msgspec.json.encode(members), target, streams=call.stream)
            case EmbeddingsRequest():
                members = embeddings_members(request, self.profile, target)
                return self._post("embeddings", msgspec.json.encode(members), target, streams=False)
            case _ if call.surface not in self.surfaces:
                raise InvalidRequestError(f"This model's vendor has no {call.surface}.", param="model")
            case _:
                body, content_type = task_body(call, request, self.profile, target)
                surface: Surface = call.surface
                return self._post(surface, body, target, streams=False, content_type=content_type)

    def encode_native(self, call: Call, target: Target) -> VendorRequest:
        """Give the client's own body, patched: model, output limit, the wish for usage, the vendor's quirks."""
        if call.dialect == "responses":
            return VendorRequest(
                url=self.responses_url(target),
                headers=self.headers(target),
                body=encode_response(call, target, is_reference=self.profile.is_reference),
                streams=call.stream,
            )
        match call.surface:
            case "chat" | "completions":
                body = encode_chat(call, self.profile_of(target), target)
            case "embeddings":
                body = encode_embeddings(call, self.profile, target)
            case _ if call.surface not in self.surfaces:
                raise InvalidRequestError(f"This model's vendor has no {call.surface}.", param="model")
            case _:
                body, content_type = native_task(call, self.profile, target)
                return self._post(call.surface, body, target, streams=False, content_type=content_type)
        return self._post(call.surface, body, target, streams=call.stream)

    def profile_of(self, target: Target) -> Profile:
        """Give the vendor's quirks, with what the channel says about its own server."""
        if target.options.get("stream_options") == "false":
            return msgspec.structs.replace(self.profile, takes_stream_options=False)
        return self.profile

    def _post(
        self, surface: Surface, body: bytes, target: Target, *, streams: bool, content_type: str = "application/json"
    ) -> VendorRequest:
        return VendorRequest(
            url=self.url(surface, target),
            headers=self.headers(target, content_type=content_type),
            body=body,
            streams=streams,
        )

    def url(self, surface: Surface, target: Target) -> str:
        """Give the address of a kind of call."""
        return self.root(target) + (self.profile.paths.get(surface) or PATHS[surface])

    def responses_url(self, target: Target) -> str:
        """Give the address of the Responses API."""
        return self.root(target) + RESPONSES

    def root(self, target: Target) -> str:
        """Give what paths are appended to."""
        is_full = target.options.get("full_prefix") == "true"
        prefix = _FIELD.sub(lambda field: quote(target.options.get(field[1], ""), safe=""), self.profile.prefix)
        return root(target.base_url, prefix, is_full_prefix=is_full)

    def headers(self, target: Target, *, content_type: str = "application/json") -> dict[str, str]:
        """Give all headers of a request."""
        headers = request_headers(self.key(target), content_type=content_type) | dict(self.profile.headers)
        for name, header in self.profile.option_headers.items():
            if target.options.get(name):
                headers[header] = target.options[name]
        return headers

    def key(self, target: Target) -> str:
        """Give the key that is sent: the one in a composite such as One API's operators write."""
        profile = self.profile
        parts = target.key.split(profile.key_separator) if profile.key_separator else [target.key]
        try:
            return profile.key_format.format(*parts)
        except IndexError:
            return parts[0]

    def follow(self, reply: bytes, previous: VendorRequest, target: Target) -> VendorRequest | None:
        """Give nothing: every answer is the answer."""
        return None

    # ---- Answers, read in full

    def decoder(self, call: Call) -> StreamDecoder:
        """Give a reader for one stream."""
        return ChunkDecoder(self.profile)

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        if call.surface == "embeddings":
            return read_embeddings(body, self.profile)
        if call.surface not in _TEXTS:
            return read_result(body, headers, call, self.profile)
        return read_answer(body, self.profile)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read a failed answer, with the vendor's own codes."""
        return decode_error(status, headers, body, secrets=secrets, kinds=self.profile.error_kinds)

    def token_request(self, target: Target) -> VendorRequest | None:
        """Give nothing: the key is sent as it is."""
        return None

    def decode_token(self, body: bytes) -> AccessToken:
        """Refuse: there is nothing to exchange."""
        raise VendorError("auth", vendor_code="no_access_token")

    # ---- Bytes that pass through

    def decode_native(self, frame: Frame) -> Delta:
        """Read a frame: text for our own count, usage, error, end."""
        if is_response_event(frame):
            return decode_event(frame, self.profile)
        return decode_chunk(frame.data, self.profile)

    def rewrite_frame(self, frame: Frame, delta: Delta, call: Call, model: str) -> bytes | None:
        """Give the payload for the client."""
        if call.dialect == "responses":
            return rewrite_event(frame.data, call, model)
        return rewrite_chunk(frame.data, delta, call, model, self.profile)

    def decode_native_body(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer: usage, text, error."""
        if call.dialect == "responses":
            return decode_response_body(body, self.profile)
        if call.surface not in _TEXTS:
            delta = read_result(body, headers, call, self.profile)
            return msgspec.structs.replace(delta, result=None)
        return decode_response(body, self.profile)

    def rewrite_body(self, body: bytes, call: Call, model: str) -> bytes:
        """Give the whole answer for the client."""
        if call.dialect == "responses":
            return rewrite_response_body(body, call, model)
        if call.surface == "embeddings":
            body = packed_answer(body, call)
        if call.surface not in _TEXTS:
            return rewrite_result(body, call, model)
        return rewrite_response(body, call, model, self.profile)

    def missing_usage(self, like: bytes, usage: TokenUsage, call: Call) -> bytes:
        """Give the usage chunk that a client asked for and the vendor did not send, as a frame."""
        if not call.include_usage or call.dialect == "responses":
            return b""
        return b"data: " + usage_chunk(like, usage, call) + b"\n\n"

    # ---- Conversations

    def realtime_request(self, call: Call, target: Target) -> VendorRequest:
        """Give the address of a session and its headers, the client's choice of the contract's form among them."""
        return VendorRequest(
            url=_SOCKET.sub(r"ws\1", self.realtime_url(target)),
            headers=self.headers(target) | {name: call.headers[name] for name in _FORM if name in call.headers},
            body=b"",
            method="GET",
        )

    def realtime_url(self, target: Target) -> str:
        """Give the address of a session, whose model is in the query."""
        return f"{self.root(target)}/realtime?model={quote(target.model, safe='')}"

    def read_vendor(self, message: bytes, call: Call, model: str) -> Heard:
        """Read a vendor's message of a conversation."""
        return read_vendor(message, call, model)

    def read_client(self, message: bytes, call: Call, model: str) -> Asked:
        """Read a client's message of a conversation."""
        return read_client(message, call, model)

    # ---- The channel itself

    def models_request(self, target: Target) -> VendorRequest | None:
        """Give the request that lists models."""
        if not self.profile.models_path:
            return None
        return self._get(self.root(target) + self.profile.models_path, target)

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read the list: in `data`, or bare, as Together sends it."""
        answer = loads(body)
        listed = answer.get("data") if isinstance(answer, dict) else answer
        if not isinstance(listed, list):
            return ()
        named = [model.get("id") for model in listed if isinstance(model, dict)]
        return tuple(name.removeprefix("models/") for name in named if isinstance(name, str) and name)

    def balance_request(self, target: Target) -> VendorRequest | None:
        """Give the request for the operator's credit, where the vendor tells."""
        path = self.profile.balance_path
        return self._get(self.root(target) + path, target) if path else None

    def decode_balance(self, body: bytes) -> Mapping[str, Decimal]:
        """Read what is left, by currency."""
        answer = loads(body)
        found: dict[str, Decimal] = {}
        for path, currency in self.profile.balance_places:
            amount = _amount(_at(answer, path))
            if amount is not None:
                named = _at(answer, currency) if "." in currency else currency
                found[named if isinstance(named, str) and named else "USD"] = amount
        return found

    def _get(self, url: str, target: Target) -> VendorRequest:
        headers = {name: value for name, value in self.headers(target).items() if name != "Content-Type"}
        return VendorRequest(url=url, headers=headers, body=b"", method="GET", streams=False)


def _at(value: Any, path: str) -> Any:
    """Follow a dotted path; numbers are places in a list."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
