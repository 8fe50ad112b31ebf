"""Results of calls that are no chats, written in OpenAI's form, and rankings in Jina's."""

from typing import Any, Final

import msgspec

from adapters.surfaces.openai_tasks import read_task
from adapters.wire.multipart import read_form
from domain.metering.usage import TokenUsage
from domain.relay.call import Call
from domain.relay.dialect import Said
from domain.relay.tasks import Images, MadeImage, Moderation, Ranking, RerankRequest, Speech, TaskResult, Transcript

JSON: Final = "application/json"

_encode: Final = msgspec.json.encode


def task_answer(call: Call, said: Said, result: TaskResult, usage: TokenUsage) -> tuple[bytes, str]:
    """Give a result's bytes and their media type."""
    match result:
        case Images():
            return _encode(_images(said, result, usage)), JSON
        case Speech():
            return result.content, result.media_type
        case Transcript():
            return _transcript(call, result, usage)
        case Moderation():
            body = {"id": f"modr-{said.answer_id}", "model": call.model, "results": result.results}
            return _encode(body), JSON
        case Ranking():
            return _encode(_ranking(call, said, result, usage)), JSON
        case _:
            raise TypeError(type(result).__name__)  # vectors are written with the chats, by their own contract


def _images(said: Said, result: Images, usage: TokenUsage) -> dict[str, Any]:
    body: dict[str, Any] = {"created": said.created, "data": [_image(image) for image in result.images]}
    if usage.total:
        body["usage"] = {
            "input_tokens": usage.input_total,
            "output_tokens": usage.output_total,
            "total_tokens": usage.total,
            "input_tokens_details": {
                "text_tokens": usage.input_total - usage.image_input_tokens,
                "image_tokens": usage.image_input_tokens,
            },
        }
    return body


def _image(image: MadeImage) -> dict[str, Any]:
    body: dict[str, Any] = {"b64_json": image.data} if image.data else {"url": image.url}
    if image.revised_prompt:
        body["revised_prompt"] = image.revised_prompt
    return body


def _ranking(call: Call, said: Said, result: Ranking, usage: TokenUsage) -> dict[str, Any]:
    request = read_task(call)
    assert isinstance(request, RerankRequest)
    ranked = sorted(result.results, key=lambda each: -each[1])[: request.top_n]
    rows: list[dict[str, Any]] = []
    for index, score in ranked:
        row: dict[str, Any] = {"index": index, "relevance_score": score}
        if request.return_documents and index < len(request.documents):
            row["document"] = {"text": request.documents[index]}
        rows.append(row)
    body = {
        "id": f"rerank-{said.answer_id}",
        "model": call.model,
        "results": rows,
        "usage": {"total_tokens": usage.total},
    }
    return body | ({"meta": {"billed_units": {"search_units": result.searches}}} if result.searches else {})


def _transcript(call: Call, result: Transcript, usage: TokenUsage) -> tuple[bytes, str]:
    asked = {part.name: part.text for part in read_form(call.body, call.content_type) if not part.filename}
    match asked.get("response_format", "json"):
        case "text":
            return (result.text + "\n").encode(), "text/plain; charset=utf-8"
        case "srt":
            return _cues(result, is_vtt=False).encode(), "application/x-subrip; charset=utf-8"
        case "vtt":
            return _cues(result, is_vtt=True).encode(), "text/vtt; charset=utf-8"
        case "verbose_json":
            body: dict[str, Any] = {
                "task": "translate" if call.surface == "translations" else "transcribe",
                "language": result.language,
                "duration": result.milliseconds / 1000,
                "text": result.text,
                "segments": result.segments,
            }
            return _encode(body | ({"words": result.words} if result.words else {})), JSON
        case _:
            return _encode({"text": result.text, "usage": _heard(usage)}), JSON


def _heard(usage: TokenUsage) -> dict[str, Any]:
    if usage.total:
        return {
            "type": "tokens",
            "input_tokens": usage.input_total,
            "output_tokens": usage.output_total,
            "total_tokens": usage.total,
            "input_token_details": {
                "text_tokens": usage.input_total - usage.audio_input_tokens,
                "audio_tokens": usage.audio_input_tokens,
            },
        }
    return {"type": "duration", "seconds": -(-usage.milliseconds // 1000)}


def _cues(result: Transcript, *, is_vtt: bool) -> str:
    whole = {"start": 0.0, "end": result.milliseconds / 1000, "text": result.text}
    out = ["WEBVTT\n"] if is_vtt else []
    for number, cue in enumerate(result.segments or (whole,), 1):
        start, end = (_time(cue.get(name), is_vtt=is_vtt) for name in ("start", "end"))
        head = "" if is_vtt else f"{number}\n"
        out.append(f"{head}{start} --> {end}\n{str(cue.get('text', '')).strip()}\n")
    return "\n".join(out)


def _time(seconds: object, *, is_vtt: bool) -> str:
    milliseconds = round(seconds * 1000) if isinstance(seconds, int | float) else 0
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    mark = "." if is_vtt else ","
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"
