"""The body, address and headers of a call, for a vendor of OpenAI's dialect."""

import re
from typing import Final

import msgspec

from domain.relay.call import Call, Surface

JSON: Final = "application/json"

_PATHS: Final[dict[Surface, str]] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
}
_VERSIONED: Final = re.compile(r"/v\d+(?:alpha|beta)?\d*(?:/openai)?$")

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.encode
_NULL: Final = msgspec.Raw(b"null")
_TRUE: Final = msgspec.Raw(b"true")
_ASKING_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')


class Quirks(msgspec.Struct, frozen=True):
    """How one vendor's idea of the dialect differs; data of the channel, not code."""

    takes_stream_options: bool = True
    """Whether `stream_options` may be sent: a few vendors refuse it and report usage unasked."""
    output_limit_field: str = "max_completion_tokens"
    """The member for an output limit of the gateway's own, in a chat where the client set none."""


OPENAI: Final = Quirks()


def endpoint(base_url: str, surface: Surface, *, is_full_prefix: bool = False) -> str:
    """Give the address of a call: a base without a version gets `/v1`, unless it is the full prefix."""
    base = base_url.rstrip("/")
    if not is_full_prefix and not _VERSIONED.search(base):
        base += "/v1"
    return base + _PATHS[surface]


def request_headers(api_key: str, *, organization: str = "", project: str = "") -> dict[str, str]:
    """Give all headers of a channel's requests; none of them is the client's.

    Answers are asked for uncompressed: unpacking would cost more than it saves, and would hold tokens back.
    """
    headers = {"Content-Type": JSON, "Accept-Encoding": "identity", "User-Agent": "Tallygate"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    if organization:
        headers["OpenAI-Organization"] = organization
    if project:
        headers["OpenAI-Project"] = project
    return headers


def encode_request(call: Call, *, model: str, output_tokens_max: int | None, quirks: Quirks = OPENAI) -> bytes:
    """Give the body for the vendor: the client's, with the routed model, the limit and the wish for usage.

    Every other value keeps its bytes, unknown members included. A member given twice is sent once, with the
    value that was priced: gateway and vendor must not read two different limits out of one body.
    """
    members = _members.decode(call.body)
    if model != call.model:
        members["model"] = _raw(model)
    if call.surface != "embeddings":
        _limit_output(members, call, output_tokens_max, quirks)
    if call.stream and quirks.takes_stream_options:
        members["stream_options"] = _asking_usage(members.get("stream_options"))
    elif not quirks.takes_stream_options:
        members.pop("stream_options", None)
    return _encode(members)


def _limit_output(members: dict[str, msgspec.Raw], call: Call, output_tokens_max: int | None, quirks: Quirks) -> None:
    """Set the output limit in each member that the client used for one: no reading of them exceeds it."""
    limit = call.output_tokens_max if output_tokens_max is None else output_tokens_max
    if limit is None:
        return
    given = [
        name
        for name in ("max_completion_tokens", "max_tokens")
        if members.get(name, _NULL) != _NULL  # a null stands for no limit
    ]
    if not given:
        given = ["max_tokens" if call.surface == "completions" else quirks.output_limit_field]
    value = _raw(limit)
    for name in given:
        if members.get(name) != value:
            members[name] = value


def _asking_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    if options is None or options == _NULL:
        return _ASKING_USAGE
    members = _members.decode(options)
    members["include_usage"] = _TRUE
    return msgspec.Raw(_encode(members))


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))
