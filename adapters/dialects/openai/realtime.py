"""OpenAI's Realtime contract, in its general and its earlier form: only what routing and money need is read.

Messages pass on as they came, but for the model's name, which is the client's on one side and the vendor's on the
other. A session cannot be moved to another model: that would be one at another price.
"""

from typing import Any, Final, NoReturn

import msgspec

from adapters.wire.counts import CountReader
from adapters.wire.lenient import loads
from domain.metering.usage import COUNT_MAX, TokenUsage, partition_openai
from domain.relay.call import Call, InvalidRequestError
from domain.relay.realtime import (
    PCM_BYTES_PER_TOKEN,
    SPOKEN_TOKENS_PER_HEARD,
    TELEPHONE_BYTES_PER_TOKEN,
    Asked,
    Heard,
    SessionState,
)

_TEXTS: Final = frozenset(
    {
        "response.text.delta",
        "response.output_text.delta",
        "response.audio_transcript.delta",
        "response.output_audio_transcript.delta",
        "response.function_call_arguments.delta",
    }
)
_SOUNDS: Final = frozenset({"response.audio.delta", "response.output_audio.delta"})
_SESSIONS: Final = frozenset({"session.created", "session.updated"})
_LIMITS: Final = ("max_output_tokens", "max_response_output_tokens")
_UNFINISHED: Final = frozenset({"failed", "cancelled", "incomplete"})


class _Message(msgspec.Struct, gc=False):
    # Anything at all: a member of an odd type must not keep the usage beside it from being read.
    type: Any = ""
    response_id: Any = ""
    delta: Any = None
    audio: Any = None
    response: Any = None
    session: Any = None
    item: Any = None
    usage: Any = None


_MESSAGE: Final = msgspec.json.Decoder(_Message)


# ---- From the vendor


def read_vendor(message: bytes, call: Call, model: str) -> Heard:
    """Read a vendor's message; what is not understood passes on."""
    try:
        event = _MESSAGE.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Heard(data=message)
    type_, response_id = _text(event.type), _text(event.response_id)
    if type_ in _SESSIONS and isinstance(event.session, dict):
        return Heard(kind="session", data=_renamed(message, call, model), session=_state(event.session))
    if type_ == "response.created" and isinstance(event.response, dict):
        return Heard(kind="began", data=message, response_id=_text(event.response.get("id")))
    if type_ in _TEXTS:
        return Heard(kind="piece", data=message, response_id=response_id, text=_text(event.delta))
    if type_ in _SOUNDS:
        return Heard(kind="piece", data=message, response_id=response_id, audio_bytes=_decoded(event.delta))
    if type_ == "response.done" and isinstance(event.response, dict):
        return Heard(
            kind="ended",
            data=message,
            response_id=_text(event.response.get("id")),
            usage=usage_of(event.response.get("usage")),
            is_empty=event.response.get("status") in _UNFINISHED,
            has_failed=event.response.get("status") == "failed",
        )
    if type_ == "conversation.item.input_audio_transcription.completed":
        return Heard(kind="transcribed", data=message, usage=_transcribed(event.usage))
    return Heard(kind="error" if type_ == "error" else "other", data=message)


def usage_of(usage: object) -> TokenUsage | None:
    """Give the classes of an answer's usage; cached tokens are in the totals, and in those of their own kind."""
    if not isinstance(usage, dict):
        return None
    counts = CountReader()
    read = counts.count(usage.get("input_tokens"), "input_tokens")
    written = counts.count(usage.get("output_tokens"), "output_tokens")
    if read is None and written is None:
        return None
    heard, spoken = _dict(usage.get("input_token_details")), _dict(usage.get("output_token_details"))
    kept = _dict(heard.get("cached_tokens_details"))
    return partition_openai(
        prompt_tokens=read or 0,
        completion_tokens=written or 0,
        cached=_count(heard, "cached_tokens"),
        audio_in=_count(heard, "audio_tokens") - _count(kept, "audio_tokens"),
        image_in=_count(heard, "image_tokens") - _count(kept, "image_tokens"),
        reasoning=_count(spoken, "reasoning_tokens"),
        audio_out=_count(spoken, "audio_tokens"),
    ).usage


def _transcribed(usage: object) -> TokenUsage | None:
    found = _dict(usage)
    seconds = found.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= COUNT_MAX / 1000:
        return TokenUsage(milliseconds=-(-int(seconds * 1_000_000) // 1_000))
    return usage_of(usage)


def _state(session: dict[str, Any]) -> SessionState:
    limits = [limit for name in _LIMITS if isinstance(limit := session.get(name), int) and not isinstance(limit, bool)]
    sound = _dict(session.get("audio"))
    heard = _per_token(_dict(sound.get("input")).get("format") or session.get("input_audio_format"))
    spoken = _per_token(_dict(sound.get("output")).get("format") or session.get("output_audio_format"))
    return SessionState(
        output_tokens_max=limits[0] if limits else None,
        transcription_model=_transcription(session),
        heard_bytes_per_token=heard,
        spoken_bytes_per_token=spoken // SPOKEN_TOKENS_PER_HEARD,
    )


def _per_token(format_: object) -> int:
    name = _text(format_.get("type")) if isinstance(format_, dict) else _text(format_)
    return PCM_BYTES_PER_TOKEN if name in ("pcm16", "audio/pcm") else TELEPHONE_BYTES_PER_TOKEN


def _transcription(session: dict[str, Any]) -> str:
    wanted = _dict(_dict(session.get("audio")).get("input")).get("transcription")
    return _text(_dict(wanted or session.get("input_audio_transcription")).get("model"))


def _renamed(message: bytes, call: Call, model: str) -> bytes:
    event = loads(message)
    if model == call.model or not isinstance(event, dict) or "model" not in event["session"]:
        return message
    event["session"]["model"] = call.model
    return msgspec.json.encode(event)


# ---- From the client


def read_client(message: bytes, call: Call, model: str) -> Asked:
    """Read a client's message; InvalidRequestError for what cannot go on to the vendor."""
    try:
        event = msgspec.json.decode(message, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidRequestError("A message must be a JSON object.", reason="invalid_event") from None
    # Everything is written anew: of a member that a message has twice only the one that was read goes on.
    match event.get("type"):
        case "input_audio_buffer.append":
            return Asked(data=msgspec.json.encode(event), audio_bytes=_decoded(event.get("audio")))
        case "session.update":
            return _updated(event, call, model)
        case "conversation.item.create":
            return _asked(event, (event.get("item"),))
        case "response.create":
            response = _dict(event.get("response"))
            inputs = response.get("input")
            asked = _asked(event, tuple(inputs) if isinstance(inputs, list) else ())
            return msgspec.structs.replace(asked, asks_answer=True)
        case str(name) if name:
            return Asked(data=msgspec.json.encode(event))
        case _:
            raise InvalidRequestError("A message must have a 'type'.", param="type", reason="invalid_event")


def _updated(event: dict[str, Any], call: Call, model: str) -> Asked:
    session = event.get("session")
    if not isinstance(session, dict):
        raise InvalidRequestError("'session' must be an object.", param="session", reason="invalid_type")
    if session.get("model") not in (None, call.model, model):
        raise InvalidRequestError(
            "A session keeps its model: open another one.", param="session.model", reason="unsupported_parameter"
        )
    if session.get("type") not in (None, "realtime"):
        _refuse_kind()
    if "model" in session:
        session["model"] = model
    asked = _asked(event, ())
    return msgspec.structs.replace(asked, transcription_model=_transcription(session))


def _refuse_kind() -> NoReturn:
    raise InvalidRequestError(
        "Only sessions of type 'realtime' are served here.", param="session.type", reason="unsupported_parameter"
    )


def _asked(event: dict[str, Any], items: tuple[Any, ...]) -> Asked:
    """Measure a message: sound and images by what they are, everything else as text."""
    data = msgspec.json.encode(event)
    audio = images = coded = 0
    for item in items:
        parts = _dict(item).get("content")
        for part in parts if isinstance(parts, list) else ():
            content = _dict(part)
            if sound := _text(content.get("audio")):
                audio += _decoded(sound)
                coded += len(sound)
            if content.get("type") == "input_image":
                images += 1
                coded += len(_text(content.get("image_url")))
    return Asked(data=data, text_bytes=max(0, len(data) - coded), audio_bytes=audio, images=images)


def _decoded(base64: object) -> int:
    """Give how many bytes a text in base64 stands for, at most."""
    return len(base64) * 3 // 4 if isinstance(base64, str) else 0


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(details: dict[str, Any], name: str) -> int:
    return CountReader().count(details.get(name), name) or 0
