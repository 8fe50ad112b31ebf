"""The body of a call whose client speaks the dialect itself: its own bytes, patched where they must be."""

from typing import Final

import msgspec

from adapters.dialects.openai.profile import Profile
from adapters.dialects.openai.quirks import Members, fit_chat, fit_tier, unsupported, value_of
from domain.relay.call import Call
from domain.relay.dialect import Target

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.encode
_NULL: Final = msgspec.Raw(b"null")
_TRUE: Final = msgspec.Raw(b"true")
_ASKING_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')


class Quirks(msgspec.Struct, frozen=True):
    """How one vendor's idea of the dialect differs, where only these two things do."""

    takes_stream_options: bool = True
    """Whether `stream_options` may be sent: a few vendors refuse it and report usage unasked."""
    output_limit_field: str = "max_completion_tokens"
    """The member for an output limit of the gateway's own, in a chat where the client set none."""


PLAIN: Final = Quirks()


def encode_request(call: Call, *, model: str, output_tokens_max: int | None, quirks: Quirks | Profile = PLAIN) -> bytes:
    """Give the body for the vendor: the client's, with the routed model, the limit and the wish for usage.

    Every other value keeps its bytes, unknown members included. A member given twice is sent once, with the
    value that was priced: gateway and vendor must not read two different limits out of one body.
    """
    return _encode(_patched(call, model, output_tokens_max, quirks))


def encode_chat(call: Call, profile: Profile, target: Target) -> bytes:
    """Give the client's chat or legacy completion, fitted to the vendor; UnsupportedParameterError."""
    members = _patched(call, target.model, target.output_tokens_max, profile)
    if profile.is_reference:
        fit_tier(members, target)
    else:  # OpenAI itself judges its own members best, and Azure is OpenAI
        fit_chat(members, call.body, profile, target)
    return _encode(members)


def encode_embeddings(call: Call, profile: Profile, target: Target) -> bytes:
    """Give the client's texts, fitted to the vendor; UnsupportedParameterError."""
    members = _patched(call, target.model, None, profile)
    if not profile.packs_vectors:
        members.pop("encoding_format", None)
    if "dimensions" in profile.cannot and value_of(members, "dimensions") is not None:
        unsupported("dimensions", target)
        del members["dimensions"]
    elif profile.dimensions_field != "dimensions" and "dimensions" in members:
        members[profile.dimensions_field] = members.pop("dimensions")
    if "user" in profile.ignores or "user" in profile.cannot:
        members.pop("user", None)
    return _encode(members)


def _patched(call: Call, model: str, output_tokens_max: int | None, quirks: Quirks | Profile) -> Members:
    members: Members = _members.decode(call.body)
    if model != call.model:
        members["model"] = _raw(model)
    if call.surface != "embeddings":
        _limit_output(members, call, output_tokens_max, quirks)
    if call.stream and quirks.takes_stream_options:
        members["stream_options"] = _asking_usage(members.get("stream_options"))
    elif not quirks.takes_stream_options:
        members.pop("stream_options", None)
    return members


def _limit_output(members: Members, call: Call, output_tokens_max: int | None, quirks: Quirks | Profile) -> None:
    """Set the output limit in each member that the client used for one: no reading of them exceeds it."""
    limit = call.output_tokens_max if output_tokens_max is None else output_tokens_max
    if limit is None:
        return
    given = [
        name
        for name in ("max_completion_tokens", "max_tokens")
        if members.get(name, _NULL) != _NULL  # a null stands for no limit
    ]
    field = "max_tokens" if call.surface == "completions" else quirks.output_limit_field
    if isinstance(quirks, Profile) and quirks.output_limit_only:
        for name in ("max_completion_tokens", "max_tokens"):
            if name != field:
                members.pop(name, None)
        given = [field]
    value = _raw(limit)
    for name in given or [field]:
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
