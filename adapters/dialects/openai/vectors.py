"""Embeddings in OpenAI's dialect."""

import base64
import binascii
import math
import re
import struct
from typing import Any, Final

import msgspec

from adapters.dialects.openai.answers import error_in
from adapters.dialects.openai.profile import Profile
from adapters.dialects.openai.quirks import Members, unsupported
from adapters.dialects.openai.usage import decode_usage
from adapters.wire.lenient import loads
from domain.relay.call import Call, InvalidRequestError
from domain.relay.delta import Delta
from domain.relay.dialect import Target
from domain.relay.tasks import Embeddings, EmbeddingsRequest
from domain.relay.vendor_errors import VendorError

_FLOAT32_MAX: Final = 3.4028234663852886e38
_FLOAT32_BYTES: Final = 4
_LISTED: Final = re.compile(rb'"embedding"\s*:\s*\[')


def embeddings_members(request: EmbeddingsRequest, profile: Profile, target: Target) -> Members:
    """Give the body for texts; UnsupportedParameterError."""
    if not profile.takes_token_ids and any(isinstance(each, tuple) for each in request.inputs):
        raise InvalidRequestError(
            "This model's vendor takes texts, and no token ids.", param="input", reason="invalid_value"
        )
    members: Members = {
        "model": target.model,
        "input": [list(each) if isinstance(each, tuple) else each for each in request.inputs],
    }
    if request.dimensions is not None and not ("dimensions" in profile.cannot and unsupported("dimensions", target)):
        members[profile.dimensions_field] = request.dimensions
    if request.task and not unsupported("task", target):
        members["task"] = request.task
    if request.user and "user" not in profile.cannot | profile.ignores:
        members["user"] = request.user
    return members | request.others


def read_embeddings(body: bytes, profile: Profile) -> Delta:
    """Read vectors, as lists or packed; an answer without them is an error."""
    answer = loads(body)
    if not isinstance(answer, dict):
        return Delta(error=VendorError("protocol", vendor_code="invalid_json"))
    error = error_in(answer, profile)
    if error is not None:
        return Delta(error=error)
    data = answer.get("data")
    # Ark's multimodal model answers with the one vector itself.
    rows = data if isinstance(data, list) else [data]
    vectors = [_vector(row.get("embedding")) for row in _in_order(rows)]
    report = decode_usage(answer.get("usage"), input_only=True)
    if not vectors or any(vector is None for vector in vectors):
        return Delta(report=report, error=VendorError("protocol", vendor_code="no_embeddings"))
    return Delta(report=report, choices=1, result=Embeddings(tuple(vector for vector in vectors if vector is not None)))


def _in_order(rows: list[Any]) -> list[dict[str, Any]]:
    """Give the rows by their index, where each has another one."""
    found = [row for row in rows if isinstance(row, dict)]
    places = [row.get("index") for row in found]
    if all(type(place) is int for place in places) and len(set(places)) == len(places):
        found.sort(key=lambda row: int(row["index"]))
    return found


def _vector(value: object) -> tuple[float, ...] | None:
    if isinstance(value, str):
        try:
            packed = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return None
        if not packed or len(packed) % _FLOAT32_BYTES:
            return None
        numbers = struct.unpack(f"<{len(packed) // _FLOAT32_BYTES}f", packed)
        return numbers if all(map(math.isfinite, numbers)) else None
    if not isinstance(value, list) or not value:
        return None
    numbers = tuple(value)
    if not all(type(number) in (int, float) for number in numbers):
        return None
    try:
        floats = tuple(float(number) for number in numbers)
    except OverflowError:
        return None
    return floats if all(map(math.isfinite, floats)) else None


class _Encoding(msgspec.Struct):
    encoding_format: str | None = None


def packed_answer(body: bytes, call: Call) -> bytes:
    """Pack the vectors for a client that asked for base64 of a vendor that did not give it."""
    if b'"base64"' not in call.body or msgspec.json.decode(call.body, type=_Encoding).encoding_format != "base64":
        return body
    if _LISTED.search(body) is None:
        return body
    answer = loads(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        return body
    for row in answer["data"]:
        vector = _vector(row.get("embedding")) if isinstance(row, dict) else None
        if vector is not None:
            bounded = [min(max(number, -_FLOAT32_MAX), _FLOAT32_MAX) for number in vector]
            row["embedding"] = base64.b64encode(struct.pack(f"<{len(bounded)}f", *bounded)).decode()
    return msgspec.json.encode(answer)
