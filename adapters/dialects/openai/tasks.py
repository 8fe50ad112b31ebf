"""Images, speech, recordings, moderations and rerankings in OpenAI's dialect: requests."""

from typing import Any, Final

import msgspec

from adapters.dialects.openai.addresses import JSON
from adapters.dialects.openai.profile import Profile
from adapters.dialects.openai.quirks import Members, unsupported
from adapters.wire.multipart import FormPart, read_form, write_form
from domain.relay.call import Call
from domain.relay.dialect import Target
from domain.relay.tasks import (
    ImagesRequest,
    ModerationRequest,
    RerankRequest,
    SpeechRequest,
    TaskRequest,
    TranscriptionRequest,
    Upload,
)

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.encode


def native_task(call: Call, profile: Profile, target: Target) -> tuple[bytes, str]:
    """Give the client's own body and its type, with the routed model and the vendor's names; the rest as it came."""
    if call.content_type.startswith("multipart/"):
        parts = read_form(call.body, call.content_type)
        return write_form(
            (FormPart(name="model", content=target.model.encode()) if part.name == "model" else part for part in parts),
            target.request_id,
        )
    members: Members = _members.decode(call.body)
    if members.get("model") is None or target.model != call.model:
        members["model"] = msgspec.Raw(_encode(target.model))
    if call.surface == "images":
        for old, new in profile.image_fields.items():
            if old in members:
                members[new] = members.pop(old)
    if call.surface == "rerank" and profile.rerank_top_field != "top_n" and "top_n" in members:
        members[profile.rerank_top_field] = members.pop("top_n")
    return _encode(members), JSON


def task_body(call: Call, request: TaskRequest, profile: Profile, target: Target) -> tuple[bytes, str]:
    """Give the body for a canonical request and its type; UnsupportedParameterError."""
    match request:
        case ImagesRequest():
            return _images(call, request, profile, target)
        case SpeechRequest():
            members: Members = {
                "model": target.model,
                "input": request.text,
                "voice": request.voice,
                "response_format": request.format,
                "speed": request.speed,
                "instructions": request.instructions,
            }
        case ModerationRequest():
            inputs = request.inputs
            is_one = len(inputs) == 1 and isinstance(inputs[0], str)
            members = {"model": target.model, "input": inputs[0] if is_one else list(inputs)}
        case RerankRequest():
            members = {
                "model": target.model,
                "query": request.query,
                "documents": list(request.documents),
                profile.rerank_top_field: request.top_n,
                "return_documents": request.return_documents or None,
            }
        case TranscriptionRequest():
            return _recording(call, request, target)
        case _:
            raise TypeError(type(request).__name__)
    return _encode(_full(members) | _foreign(call, request.others, target)), JSON


def _full(members: Members) -> Members:
    return {name: value for name, value in members.items() if value not in (None, "")}


def _foreign(call: Call, others: dict[str, Any], target: Target) -> Members:
    """Give what only the client's contract has words for, if that is this one."""
    if call.dialect == "openai":
        return others
    for name in others:
        unsupported(name, target)
    return {}


def _images(call: Call, request: ImagesRequest, profile: Profile, target: Target) -> tuple[bytes, str]:
    members: Members = _full(
        {
            "model": target.model,
            "prompt": request.prompt,
            "n": request.n if request.n != 1 else None,
            "size": request.size,
            "quality": request.quality,
            "style": request.style,
            "background": request.background,
            "output_format": request.output_format,
            "response_format": request.response_format,
            "user": request.user,
        }
    ) | _foreign(call, request.others, target)
    if not request.images:
        return _encode({profile.image_fields.get(name, name): value for name, value in members.items()}), JSON
    name = "image" if len(request.images) == 1 else "image[]"
    files = [_file(name, image) for image in request.images]
    if request.mask is not None:
        files.append(_file("mask", request.mask))
    return write_form([*_texts(members), *files], target.request_id)


def _recording(call: Call, request: TranscriptionRequest, target: Target) -> tuple[bytes, str]:
    members = _full(
        {
            "model": target.model,
            "language": "" if request.translate else request.language,
            "prompt": request.prompt,
            "response_format": request.response_format,
            "temperature": request.temperature,
        }
    ) | _foreign(call, request.others, target)
    stamps = [FormPart(name="timestamp_granularities[]", content=each.encode()) for each in request.timestamps]
    return write_form([*_texts(members), *stamps, _file("file", request.file)], target.request_id)


def _file(name: str, upload: Upload) -> FormPart:
    return FormPart(name=name, content=upload.content, filename=upload.name or name, media_type=upload.media_type)


def _texts(members: Members) -> list[FormPart]:
    return [
        FormPart(name=name, content=(value if isinstance(value, str) else _encode(value).decode()).encode())
        for name, value in members.items()
    ]
