"""Zhipu's v3 dialect for the old `chatglm_*` models: a JWT made of the key, and streams of raw text.

Source: the vendor's Python SDK zhipuai 2.1.5 for the token, One API's converter for the rest.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import quote

import msgspec

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import BROKEN, clamped, fitted, given, member, merged, post, report, text_of, words
from adapters.wire.lenient import loads
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest
from domain.relay.delta import Delta, Piece, UsageReport, said
from domain.relay.dialect import Frame, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import Kind, VendorError

_TAKES: Final = frozenset({"temperature", "top_p"})
_LIFETIME_MILLISECONDS: Final = 210_000
_OK: Final = 200


class ZhipuV3Dialect(BaseDialect):
    """The retired models; v4 speaks OpenAI's dialect."""

    surfaces: frozenset[Surface] = frozenset({"chat"})
    kinds: ClassVar[Mapping[str, Kind]] = {
        **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "1110", "1111", "1112", "1121", "1220"), "auth"),
        **dict.fromkeys(("1113", "1304", "1308", "1309", "1310"), "quota"),
        **dict.fromkeys(("1302", "1303", "1305", "1313"), "rate_limit"),
        **dict.fromkeys(("1120", "1234", "1312"), "overloaded"),
        **dict.fromkeys(("1210", "1212", "1213", "1214", "1215", "1231", "1261", "1300"), "bad_request"),
        **dict.fromkeys(("1211", "1221", "1222"), "not_found"),
        "1301": "content",
        **dict.fromkeys(("500", "1200", "1230"), "server"),
    }

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of an invocation; there is no system role, so that such text is a turn with a nod to it."""
        asked = fitted(request, target, takes=_TAKES)
        prompt: list[dict[str, Any]] = []
        if asked.system:
            prompt += [{"role": "user", "content": asked.system}, {"role": "assistant", "content": "OK"}]
        prompt += [
            {"role": "assistant" if turn.role == "assistant" else "user", "content": text_of(turn.parts)}
            for turn in merged(asked.turns)
        ]
        body = given(
            prompt=prompt, temperature=clamped(asked.temperature, 0.01, 0.99), top_p=clamped(asked.top_p, 0.01, 0.99)
        )
        if call.stream:
            body["incremental"] = True
        way = "sse-invoke" if call.stream else "invoke"
        url = f"{target.base_url}/api/paas/v3/model-api/{quote(target.model, safe='')}/{way}"
        milliseconds = int(target.now.timestamp() * 1000)
        return post(url, body, {"Authorization": token(target.key, milliseconds)})

    def decoder(self, call: Call) -> StreamDecoder:
        """Read events whose data is text, and no JSON."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer; an error has status 200, too."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        choices = member(answer, "data", "choices")
        if answer.get("success") is False or answer.get("code") not in (None, _OK) or not isinstance(choices, list):
            return Delta(error=classify(answer, kinds=self.kinds))
        text = "".join(_unquoted(words(member(each, "content"))) for each in choices)
        return said(Piece(text=text), Piece(finish_reason="stop"), report=_usage(member(answer, "data", "usage")))


def _unquoted(text: str) -> str:
    """Give the text without the literal quotes that whole answers are wrapped in."""
    is_wrapped = len(text) > 1 and text[0] == text[-1] == '"'
    return words(loads(text.encode())) or text[1:-1] if is_wrapped else text


def _usage(usage: object) -> UsageReport | None:
    """Read the counts; whole answers may state the total only, which says nothing of its parts."""
    prompt, completion = member(usage, "prompt_tokens"), member(usage, "completion_tokens")
    if prompt is None and completion is None:
        return None
    return report(prompt, completion, member(usage, "total_tokens"))


def token(key: str, now_milliseconds: int) -> str:
    """Give the token made of `id.secret`."""
    key_id, _, secret = key.partition(".")
    if not key_id or not secret:
        raise VendorError("auth", vendor_code="malformed_key")
    claims = {"api_key": key_id, "exp": now_milliseconds + _LIFETIME_MILLISECONDS, "timestamp": now_milliseconds}
    # By hand, for the vendor's secrets are shorter than PyJWT takes without a warning at each call.
    head = _base64url(msgspec.json.encode({"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"}))
    signed = head + b"." + _base64url(msgspec.json.encode(claims))
    return (signed + b"." + _base64url(hmac.new(secret.encode(), signed, hashlib.sha256).digest())).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class _Stream(BaseDecoder):
    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event by its name."""
        match frame.event:
            case b"add":
                return [said(Piece(text=frame.data.decode("utf-8", "replace")))]
            case b"finish":
                pieces = [Piece(text=text)] if (text := frame.data.decode("utf-8", "replace")) else []
                return [said(*pieces, Piece(finish_reason="stop"), report=_usage(_meta(frame.raw)))]
            case b"interrupted":
                return [said(Piece(finish_reason="content_filter"))]
            case b"error":
                told = loads(frame.data)
                content = told if isinstance(told, dict) else {"message": frame.data.decode("utf-8", "replace")}
                return [Delta(error=classify(content, kinds=ZhipuV3Dialect.kinds))]
            case _:
                event = loads(frame.data)
                return [Delta(error=classify(event, kinds=ZhipuV3Dialect.kinds))] if isinstance(event, dict) else []


def _meta(raw: bytes) -> object:
    """Give the usage in the line `meta:`, which no other vendor's events have."""
    line = next((line for line in raw.split(b"\n") if line.startswith(b"meta:")), b"")
    return member(loads(line.removeprefix(b"meta:")), "usage")


DIALECT: Final = ZhipuV3Dialect()
