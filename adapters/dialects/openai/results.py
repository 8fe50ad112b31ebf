"""Images, speech, transcripts, moderations and rankings in OpenAI's dialect: answers, and what they used."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from adapters.dialects.openai.answers import error_in
from adapters.dialects.openai.profile import Profile
from adapters.dialects.openai.usage import decode_usage
from adapters.wire.counts import CountReader
from adapters.wire.lenient import loads
from adapters.wire.multipart import read_form
from domain.metering.usage import COUNT_MAX, TokenUsage, partition_openai
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.delta import Delta, UsageReport
from domain.relay.tasks import Images, MadeImage, Moderation, Ranking, Speech, Transcript
from domain.relay.vendor_errors import VendorError

RECORDINGS: Final[frozenset[Surface]] = frozenset({"transcriptions", "translations"})


def read_result(body: bytes, headers: Mapping[str, str], call: Call, profile: Profile) -> Delta:
    """Read a whole answer: result and usage, or the error in it. Nothing is raised."""
    media_type = _header(headers, "content-type")
    if call.surface == "speech":
        return _read_speech(body, media_type, profile)
    if call.surface in RECORDINGS and not _is_json(body, media_type):
        text = body.decode("utf-8", "replace")
        return Delta(choices=1, text=text, result=Transcript(text=text))
    answer = loads(body)
    if isinstance(answer, list) and call.surface == "rerank":
        answer = {"results": answer}  # text-embeddings-inference answers with the list itself
    if not isinstance(answer, dict):
        return Delta(error=VendorError("protocol", vendor_code="invalid_json"))
    error = _error(answer, profile)
    if error is not None:
        return Delta(error=error)
    match call.surface:
        case "images" | "image_edits":
            return _read_images(answer, call)
        case "transcriptions" | "translations":
            return _read_transcript(answer)
        case "moderations":
            return _read_moderation(answer)
        case _:
            return _read_ranking(answer)


_RESULTS: Final = frozenset({"data", "images", "results", "text", "rankings"})


def _error(answer: dict[str, Any], profile: Profile) -> VendorError | None:
    """Give the error in an answer; one with a result in it has none, whatever else it says."""
    if answer.get("error") or not any(answer.get(name) is not None for name in _RESULTS):
        return error_in(answer, profile) or VendorError("protocol", vendor_code="no_result")
    return None


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "").partition(";")[0].strip().lower()


def _is_json(body: bytes, media_type: str) -> bool:
    return media_type.endswith("json") or (not media_type and body.lstrip()[:1] in (b"{", b"["))


# ---- Speech


def _read_speech(body: bytes, media_type: str, profile: Profile) -> Delta:
    if _is_json(body, media_type) or not body:
        answer = loads(body)
        error = error_in(answer, profile) if isinstance(answer, dict) else None
        return Delta(error=error or VendorError("protocol", vendor_code="no_audio"))
    return Delta(choices=1, result=Speech(body, media_type or "audio/mpeg"))


# ---- Images


def _read_images(answer: dict[str, Any], call: Call) -> Delta:
    rows = answer.get("data") or answer.get("images")
    images = tuple(
        made for row in (rows if isinstance(rows, list) else []) if (made := _image(row, answer)) is not None
    )
    if not images:
        return Delta(error=VendorError("protocol", vendor_code="no_images"))
    return Delta(choices=len(images), report=_drawn(answer, len(images), call), result=Images(images))


def _image(row: object, answer: dict[str, Any]) -> MadeImage | None:
    if not isinstance(row, dict):
        return None
    url, data = _text(row.get("url")), _text(row.get("b64_json"))
    if not url and not data:
        return None
    format_ = _text(answer.get("output_format")) or "png"
    return MadeImage(
        url=url,
        data=data,
        media_type=f"image/{format_}" if data else "",
        revised_prompt=_text(row.get("revised_prompt")),
    )


def _drawn(answer: dict[str, Any], count: int, call: Call) -> UsageReport:
    """Count the images, and the tokens where the vendor says them: what it writes are images."""
    read = CountReader()
    usage = answer.get("usage")
    members = usage if isinstance(usage, dict) else {}
    into = members.get("input_tokens_details")
    into = into if isinstance(into, dict) else {}
    out = members.get("output_tokens_details")
    out = out if isinstance(out, dict) else {}
    written = read.count(members.get("output_tokens"), "output") or 0
    drawn = read.count(out.get("image_tokens"), "image_output")
    parts = partition_openai(
        prompt_tokens=read.count(members.get("input_tokens"), "input") or 0,
        completion_tokens=written,
        cached=read.count(into.get("cached_tokens"), "cached") or 0,
        image_in=read.count(into.get("image_tokens"), "image_input") or 0,
        image_out=written if drawn is None else drawn,
    )
    counted = msgspec.structs.replace(parts.usage, images=min(count, COUNT_MAX), image_variant=_variant(answer, call))
    total = read.count(members.get("total_tokens"), "total")
    if parts.clamped:
        read.flags.append("details_exceed_total")
    return UsageReport(counted, total, tuple(read.flags))


class _Look(msgspec.Struct):
    size: Any = None
    quality: Any = None


def _variant(answer: dict[str, Any], call: Call) -> str:
    """Say how the images were made, as rate cards name it: as the vendor says where the client left that to it."""
    try:
        if call.surface == "image_edits":
            fields = {part.name: part.text for part in read_form(call.body, call.content_type) if not part.filename}
            look = _Look(fields.get("size"), fields.get("quality"))
        else:
            look = msgspec.json.decode(call.body, type=_Look)
    except (msgspec.MsgspecError, InvalidRequestError, UnicodeDecodeError, RecursionError):
        return ""
    size, quality = _look(look.size, answer.get("size")), _look(look.quality, answer.get("quality"))
    return "/".join(word for word in (size, quality) if word)


def _look(asked: object, told: object) -> str:
    return next((word for word in (asked, told) if isinstance(word, str) and word not in ("", "auto")), "")


# ---- Recordings


def _read_transcript(answer: dict[str, Any]) -> Delta:
    text = _text(answer.get("text"))
    report = _heard(answer)
    return Delta(
        choices=1,
        text=text,
        report=report,
        result=Transcript(
            text=text,
            language=_text(answer.get("language")),
            milliseconds=0 if report is None or report.usage is None else report.usage.milliseconds,
            segments=_rows(answer.get("segments")),
            words=_rows(answer.get("words")),
        ),
    )


def _heard(answer: dict[str, Any]) -> UsageReport | None:
    """Read how long the recording was, or the tokens in it; None where the vendor says neither."""
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    seconds = usage.get("seconds") if usage.get("type") == "duration" else answer.get("duration")
    milliseconds = _milliseconds(seconds)
    read = CountReader()
    into = usage.get("input_token_details")
    into = into if isinstance(into, dict) else {}
    heard, written = read.count(usage.get("input_tokens"), "input"), read.count(usage.get("output_tokens"), "output")
    if heard is None and written is None and not milliseconds:
        return None
    parts = partition_openai(
        prompt_tokens=heard or 0,
        completion_tokens=written or 0,
        audio_in=read.count(into.get("audio_tokens"), "audio_input") or 0,
    )
    if parts.clamped:
        read.flags.append("details_exceed_total")
    counted = msgspec.structs.replace(parts.usage, milliseconds=milliseconds)
    return UsageReport(counted, read.count(usage.get("total_tokens"), "total"), tuple(read.flags))


def _milliseconds(seconds: object) -> int:
    """Give a length that was sent as a number, or as text, as older servers do."""
    if isinstance(seconds, str):
        try:
            seconds = float(seconds)
        except ValueError:
            return 0
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < COUNT_MAX / 1000:
        return 0
    # As it was written: 2.007 as a binary fraction is a little more than 2007 thousandths.
    return math.ceil(Decimal(str(seconds)) * 1000)


def _rows(value: object) -> tuple[dict[str, Any], ...]:
    return tuple(row for row in value if isinstance(row, dict)) if isinstance(value, list) else ()


# ---- Moderations and rankings


def _read_moderation(answer: dict[str, Any]) -> Delta:
    results = _rows(answer.get("results"))
    if not results:
        return Delta(error=VendorError("protocol", vendor_code="no_results"))
    report = decode_usage(answer.get("usage"), input_only=True) or UsageReport(TokenUsage())
    return Delta(choices=len(results), report=report, result=Moderation(results))


def _read_ranking(answer: dict[str, Any]) -> Delta:
    rows = _rows(answer.get("results")) or _rows(answer.get("data")) or _rows(answer.get("rankings"))
    results = tuple(ranked for row in rows if (ranked := _ranked(row)) is not None)
    if not results:
        return Delta(error=VendorError("protocol", vendor_code="no_results"))
    ordered = tuple(sorted(results, key=lambda each: -each[1]))
    return Delta(choices=1, report=ranking_usage(answer), result=Ranking(ordered, _searches(answer)))


def _ranked(row: dict[str, Any]) -> tuple[int, float] | None:
    index = row.get("index")
    score = next((row[name] for name in ("relevance_score", "score", "logit") if name in row), None)
    if type(index) is not int or index < 0 or isinstance(score, bool) or not isinstance(score, int | float):
        return None
    try:
        number = float(score)
    except OverflowError:
        return None
    return (index, number) if math.isfinite(number) else None


def ranking_usage(answer: dict[str, Any]) -> UsageReport | None:
    """Read what a ranking used: `usage`, or SiliconFlow's `meta.tokens`."""
    meta = answer.get("meta")
    tokens = meta.get("tokens") if isinstance(meta, dict) else None
    for place in (answer.get("usage"), tokens, answer.get("tokens")):
        report = decode_usage(place, input_only=True)
        if report is not None:
            return report
    return None


def _searches(answer: dict[str, Any]) -> int:
    meta = answer.get("meta")
    billed = meta.get("billed_units") if isinstance(meta, dict) else None
    count = CountReader().count(billed.get("search_units"), "searches") if isinstance(billed, dict) else None
    return count or 0


# ---- What a client of the same contract gets


def rewrite_result(body: bytes, call: Call, model: str) -> bytes:
    """Give the vendor's answer under the model name that the client used, in the shape of the contract."""
    if call.surface not in ("images", "image_edits", "moderations", "rerank"):
        return body
    answer = loads(body)
    if isinstance(answer, list) and call.surface == "rerank":
        answer = {"results": answer}
    if not isinstance(answer, dict):
        return body
    is_changed = call.surface == "rerank" and _mend_ranking(answer)
    if call.surface == "images" and "data" not in answer and isinstance(answer.get("images"), list):
        answer["data"] = answer.pop("images")
        is_changed = True
    if model != call.model and ("model" in answer or call.surface == "rerank"):
        answer["model"] = call.model
        is_changed = True
    return msgspec.json.encode(answer) if is_changed else body


def _mend_ranking(answer: dict[str, Any]) -> bool:
    """Say a ranking as Jina does, wherever its parts stand; tell whether there was anything to do."""
    rows = _rows(answer.get("results")) or _rows(answer.pop("data", None)) or _rows(answer.pop("rankings", None))
    ordered = sorted(rows, key=lambda row: -(_ranked(row) or (0, -math.inf))[1])
    mended = [_mended(row) for row in ordered]
    is_changed = mended != answer.get("results") or not isinstance(answer.get("usage"), dict)
    answer["results"] = mended
    if not isinstance(answer.get("usage"), dict):
        report = ranking_usage(answer)
        answer["usage"] = {"total_tokens": report.usage.total if report is not None and report.usage else 0}
    return is_changed


def _mended(row: dict[str, Any]) -> dict[str, Any]:
    ranked = _ranked(row)
    if ranked is None:
        return row
    kept = {name: value for name, value in row.items() if name not in ("score", "logit")}
    if isinstance(kept.get("document"), str):
        kept["document"] = {"text": kept["document"]}
    return kept | {"relevance_score": row.get("relevance_score", ranked[1])}


def _text(value: object) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
