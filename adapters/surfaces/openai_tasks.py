"""Images, speech, recordings, moderations and rerankings in OpenAI's form, and Jina's for the last: read."""

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec

from adapters.wire.multipart import FormPart, read_form
from domain.relay.call import CHOICES_MAX, Call, InvalidRequestError, Surface, decoded, refusal_of
from domain.relay.tasks import (
    ImagesRequest,
    ModerationRequest,
    RerankRequest,
    SpeechRequest,
    TaskRequest,
    TranscriptionRequest,
    Upload,
)

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
FORMS: Final[frozenset[Surface]] = frozenset({"image_edits", "transcriptions", "translations"})
MODERATION_MODEL: Final = "omni-moderation-latest"
DOCUMENTS_MAX: Final = 10_000

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Prompt = Annotated[str, msgspec.Meta(min_length=1)]
_Choices = Annotated[int, msgspec.Meta(ge=1, le=CHOICES_MAX)]
T = TypeVar("T")


class _Images(msgspec.Struct):
    model: _Name
    prompt: _Prompt
    n: _Choices | None = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    output_format: str | None = None
    response_format: str | None = None
    user: str | None = None
    stream: bool | None = None


class _VoiceId(msgspec.Struct):
    id: str


class _Speech(msgspec.Struct):
    model: _Name
    input: _Prompt
    voice: str | _VoiceId
    response_format: str | None = None
    speed: float | None = None
    instructions: str | None = None
    stream_format: str | None = None


class _Moderation(msgspec.Struct):
    input: str | list[str | dict[str, Any]]
    model: _Name | None = None


class _Document(msgspec.Struct):
    text: str


class _Rerank(msgspec.Struct):
    model: _Name
    query: _Prompt
    documents: Annotated[list[str | _Document], msgspec.Meta(min_length=1, max_length=DOCUMENTS_MAX)]
    top_n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    return_documents: bool | None = None


class _Edit(msgspec.Struct):
    model: _Name
    prompt: _Prompt
    n: _Choices | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    response_format: str | None = None
    user: str | None = None
    stream: bool | None = None


class _Transcription(msgspec.Struct):
    model: _Name
    language: str | None = None
    prompt: str | None = None
    response_format: str | None = None
    temperature: float | None = None
    stream: bool | None = None


# ---- For routing and pricing


def parse_task(surface: Surface, body: bytes, content_type: str) -> Call:
    """Read what routing and pricing need; InvalidRequestError naming the member at fault."""
    match surface:
        case "images":
            asked = _convert(_members(body), _Images)
            _refuse_stream(asked.stream)
            return Call(surface=surface, model=asked.model, body=body, n=asked.n or 1, user=asked.user)
        case "speech":
            spoken = _convert(_members(body), _Speech)
            _refuse_stream(spoken.stream_format == "sse", "stream_format")
            return Call(surface=surface, model=spoken.model, body=body)
        case "moderations":
            judged = _convert(_members(body), _Moderation)
            return Call(surface=surface, model=judged.model or MODERATION_MODEL, body=body)
        case "rerank":
            return Call(surface=surface, model=_convert(_members(body), _Rerank).model, body=body)
        case "image_edits" | "transcriptions" | "translations":
            return _parse_form(surface, body, content_type)
        case _:
            raise InvalidRequestError(f"There is no {surface} in this contract.")


def _parse_form(surface: Surface, body: bytes, content_type: str) -> Call:
    parts = read_form(body, content_type)
    if surface == "image_edits":
        edit = _fields(parts, _Edit)
        _refuse_stream(edit.stream)
        _files(parts, "image")
        return Call(
            surface=surface,
            model=edit.model,
            body=body,
            content_type=content_type,
            n=edit.n or 1,
            has_images=True,
            user=edit.user,
        )
    recording = _fields(parts, _Transcription)
    _refuse_stream(recording.stream)
    _files(parts, "file")
    return Call(surface=surface, model=recording.model, body=body, content_type=content_type)


def _refuse_stream(asked: bool | None, param: str = "stream") -> None:  # noqa: FBT001 - the member's own value
    if asked:
        raise InvalidRequestError(
            f"This endpoint is not streamed here: leave '{param}' out.", param=param, reason="unsupported_parameter"
        )


def _members(body: bytes) -> dict[str, Any]:
    return decoded(_OBJECT.decode, body)


def _convert(members: dict[str, Any], type_: type[T], *, strict: bool = True) -> T:
    try:
        return msgspec.convert(members, type_, strict=strict)
    except msgspec.ValidationError as error:
        raise refusal_of(str(error)) from None


def _fields(parts: tuple[FormPart, ...], type_: type[T]) -> T:
    """Read the fields that are no files: a form has only texts, so numbers and truths are read out of them."""
    return _convert({part.name: part.text for part in parts if not part.filename}, type_, strict=False)


def _files(parts: tuple[FormPart, ...], name: str) -> tuple[Upload, ...]:
    found = tuple(
        Upload(part.filename or name, part.media_type or "application/octet-stream", part.content)
        for part in parts
        if part.name in (name, f"{name}[]")
    )
    if not found or not all(upload.content for upload in found):
        raise InvalidRequestError(f"You must provide a '{name}' file.", param=name, reason="missing_required_parameter")
    return found


# ---- In full


def read_task(call: Call) -> TaskRequest:
    """Read the whole body; InvalidRequestError naming the member at fault."""
    return _READERS[call.surface](call)


def _read_images(call: Call) -> ImagesRequest:
    members = _members(call.body)
    asked = _convert(members, _Images)
    return ImagesRequest(
        prompt=asked.prompt,
        n=asked.n or 1,
        size=_said(asked.size),
        quality=_said(asked.quality),
        style=_said(asked.style),
        background=_said(asked.background),
        output_format=_said(asked.output_format),
        response_format=_form_of(asked.response_format),
        user=asked.user or "",
        others=_others(members, _Images),
    )


def _said(value: str | None) -> str:
    """Give what was asked for; `auto` asks for nothing."""
    return "" if value is None or value == "auto" else value


def _form_of(asked: str | None) -> Any:
    if asked not in (None, "", "url", "b64_json"):
        raise InvalidRequestError(
            "'response_format' must be url or b64_json.", param="response_format", reason="invalid_value"
        )
    return asked or ""


def _read_edit(call: Call) -> ImagesRequest:
    parts = read_form(call.body, call.content_type)
    asked = _fields(parts, _Edit)
    masks = tuple(part for part in parts if part.name == "mask" and part.content)
    mask = Upload(masks[0].filename or "mask", masks[0].media_type or "image/png", masks[0].content) if masks else None
    texts = {part.name: part.text for part in parts if not part.filename}
    return ImagesRequest(
        prompt=asked.prompt,
        n=asked.n or 1,
        size=_said(asked.size),
        quality=_said(asked.quality),
        background=_said(asked.background),
        output_format=_said(asked.output_format),
        response_format=_form_of(asked.response_format),
        images=_files(parts, "image"),
        mask=mask,
        user=asked.user or "",
        others=_others(texts, _Edit),
    )


def _read_speech(call: Call) -> SpeechRequest:
    members = _members(call.body)
    asked = _convert(members, _Speech)
    return SpeechRequest(
        text=asked.input,
        voice=asked.voice if isinstance(asked.voice, str) else asked.voice.id,
        format=asked.response_format or "mp3",
        speed=asked.speed,
        instructions=asked.instructions or "",
        others=_others(members, _Speech),
    )


def _read_recording(call: Call) -> TranscriptionRequest:
    parts = read_form(call.body, call.content_type)
    asked = _fields(parts, _Transcription)
    texts = {part.name: part.text for part in parts if not part.filename and not part.name.endswith("[]")}
    return TranscriptionRequest(
        file=_files(parts, "file")[0],
        translate=call.surface == "translations",
        language=asked.language or "",
        prompt=asked.prompt or "",
        response_format=asked.response_format or "json",
        temperature=asked.temperature,
        timestamps=tuple(part.text for part in parts if part.name == "timestamp_granularities[]"),
        others=_others(texts, _Transcription),
    )


def _read_moderation(call: Call) -> ModerationRequest:
    members = _members(call.body)
    asked = _convert(members, _Moderation)
    inputs = (asked.input,) if isinstance(asked.input, str) else tuple(asked.input)
    return ModerationRequest(inputs=inputs, others=_others(members, _Moderation))


def _read_rerank(call: Call) -> RerankRequest:
    members = _members(call.body)
    asked = _convert(members, _Rerank)
    return RerankRequest(
        query=asked.query,
        documents=tuple(each if isinstance(each, str) else each.text for each in asked.documents),
        top_n=asked.top_n,
        return_documents=bool(asked.return_documents),
        others=_others(members, _Rerank),
    )


def _others(members: dict[str, Any], known: type[msgspec.Struct]) -> dict[str, Any]:
    names = {field.name for field in msgspec.structs.fields(known)}
    return {name: value for name, value in members.items() if name not in names and value is not None}


_READERS: Final[dict[Surface, Callable[[Call], TaskRequest]]] = {
    "images": _read_images,
    "image_edits": _read_edit,
    "speech": _read_speech,
    "transcriptions": _read_recording,
    "translations": _read_recording,
    "moderations": _read_moderation,
    "rerank": _read_rerank,
}
